"""The video files that a page plays."""

import os
import urllib.parse
from pathlib import Path

from utils.names import normalize_name

# In order of preference: browsers play the first best.
VIDEO_SUFFIXES = (".webm", ".mp4", ".m4v", ".ogv", ".mov", ".mkv", ".avi")
MAYBE_PLAYED = (".3g2", ".3gp", ".3gpp", ".f4v", ".ogg", ".ogm", ".qt")
_NOT_PLAYED = "asf divx dv flv gif m1v m2t m2ts m2v mod mpe mpeg mpg mpv mts mxf rm tod ts vob wmv wtv xvid"
NOT_PLAYED = frozenset({".avi", *(f".{suffix}" for suffix in _NOT_PLAYED.split())})  # by any browser
ALL_SUFFIXES = (*VIDEO_SUFFIXES, *sorted({*MAYBE_PLAYED, *NOT_PLAYED}.difference(VIDEO_SUFFIXES)))
LINK = "videos"
POSTERS = "posters"  # folder with pictures of the videos


def find_videos(folder: Path) -> dict[str, str]:
    """Find the video files below `folder`.

    A file is found by its path relative to the folder and by its file name, each with or without its suffix. If several
    files share a name, the first by `ALL_SUFFIXES` and then by path is returned. Ids are only looked up in the result, so
    that no id can name a file elsewhere.

    Returns:
        name, in NFC -> address relative to the page, percent-quoted.
    """
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    files = [path.relative_to(folder) for path in paths if path.suffix.lower() in ALL_SUFFIXES]
    files.sort(key=lambda path: (ALL_SUFFIXES.index(path.suffix.lower()), path))
    videos: dict[str, str] = {}
    for names in (lambda p: (str(p), str(p.with_suffix(""))), lambda p: (p.name, p.stem)):  # whole paths take precedence
        for path in files:
            for name in names(path):
                videos.setdefault(normalize_name(name), f"{LINK}/{urllib.parse.quote(os.fsencode(path))}")
    return videos


def strip_suffix(name: str) -> str:
    """Return the name of a file without its suffix, if that is one of videos."""
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in ALL_SUFFIXES else name


def find_file(folder: Path, address: str) -> Path:
    """Return the path of a file that `find_videos` has found, whose address is relative to `folder`."""
    return folder / os.fsdecode(urllib.parse.unquote_to_bytes(address))


def link_videos(page: Path, folder: Path, name: str = LINK) -> None:
    """Make `<page>/<name>` a link to `folder`, relative unless they share no parent but the root."""
    source, target = page.resolve(), folder.resolve()
    is_near = os.path.commonpath([source, target]) != source.anchor
    address = os.path.relpath(target, source) if is_near else str(target)
    link = page / name
    if link.is_symlink() and str(link.readlink()) == address:
        return
    temporary = page / f".{name}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(address)
    temporary.replace(link)
