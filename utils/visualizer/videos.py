"""The video files that a page plays."""

import os
import urllib.parse
from pathlib import Path

from utils.names import normalize_name

SUFFIXES = (".webm", ".mp4", ".m4v", ".ogv", ".mov", ".mkv", ".avi")  # what browsers play best comes first
LINK = "videos"


def find_videos(folder: Path) -> dict[str, str]:
    """The video files below `folder` by the names that ids may have: relative to the folder, without folders, or either
    without its suffix.

    Ids are only ever looked up here, so that none of them can name a file elsewhere. Where several files share a name, the
    first by `SUFFIXES` and then by path has it.

    Returns:
        name, in NFC -> address relative to the page, percent-quoted.
    """
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    files = [path.relative_to(folder) for path in paths if path.suffix.lower() in SUFFIXES]
    files.sort(key=lambda path: (SUFFIXES.index(path.suffix.lower()), path))
    videos: dict[str, str] = {}
    for names in (lambda p: (str(p), str(p.with_suffix(""))), lambda p: (p.name, p.stem)):  # whole paths win
        for path in files:
            for name in names(path):
                videos.setdefault(normalize_name(name), f"{LINK}/{urllib.parse.quote(os.fsencode(path))}")
    return videos


def link_videos(page: Path, folder: Path) -> None:
    """Make `<page>/videos` a link to `folder`, a relative one where they have a parent but the root in common."""
    here, there = page.resolve(), folder.resolve()
    near = os.path.commonpath([here, there]) != here.anchor
    target = os.path.relpath(there, here) if near else str(there)
    link = page / LINK
    if link.is_symlink() and str(link.readlink()) == target:
        return
    temporary = page / f".{LINK}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
