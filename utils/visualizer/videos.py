"""The video files that a page plays."""

import os
import urllib.parse
from pathlib import Path

from utils.names import normalize_name

# In order of preference: browsers play the first best.
VIDEO_SUFFIXES = (".webm", ".mp4", ".m4v", ".ogv", ".mov", ".mkv", ".avi")
LINK = "videos"


def find_videos(folder: Path) -> dict[str, str]:
    """Find the video files below `folder`.

    A file is found by its path relative to the folder and by its file name, each with or without its suffix. If several
    files share a name, the first by `VIDEO_SUFFIXES` and then by path is returned. Ids are only looked up in the result, so
    that no id can name a file elsewhere.

    Returns:
        name, in NFC -> address relative to the page, percent-quoted.
    """
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    files = [path.relative_to(folder) for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    files.sort(key=lambda path: (VIDEO_SUFFIXES.index(path.suffix.lower()), path))
    videos: dict[str, str] = {}
    for names in (lambda p: (str(p), str(p.with_suffix(""))), lambda p: (p.name, p.stem)):  # whole paths take precedence
        for path in files:
            for name in names(path):
                videos.setdefault(normalize_name(name), f"{LINK}/{urllib.parse.quote(os.fsencode(path))}")
    return videos


def link_videos(page: Path, folder: Path) -> None:
    """Make `<page>/videos` a link to `folder`, relative unless they share no parent but the root."""
    source, target = page.resolve(), folder.resolve()
    is_near = os.path.commonpath([source, target]) != source.anchor
    address = os.path.relpath(target, source) if is_near else str(target)
    link = page / LINK
    if link.is_symlink() and str(link.readlink()) == address:
        return
    temporary = page / f".{LINK}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(address)
    temporary.replace(link)
