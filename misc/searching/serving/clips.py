"""The video files that the search page serves."""

import errno
import logging
import os
import stat
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from utils.visualizer.videos import LINK

MEDIA_TYPES = {
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".ogv": "video/ogg",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}

NOT_THERE = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENXIO,
}

logger = logging.getLogger(__name__)


class Clips:
    """The files of some videos, which are only ever looked up by the ids of these: no request can name another file.

    The folder of the videos may itself be a link. A link in it that leads out of what it stands for is refused.

    Args:
        folder: of the collection, `data/<Name>`.
        ids: the videos.
        clip_of: the address of a video's file, relative to `folder`, percent-quoted (None: there is none).
    """

    def __init__(self, folder: Path, ids: Iterable[str], clip_of: Callable[[str], str | None]):
        self._root = (folder / LINK).resolve()
        self._paths = {video: folder / _path(address) for video in ids if (address := clip_of(video))}
        self._refused: set[str] = set()

    def path(self, video: str) -> Path | None:
        """The file of a video, without links; None where there is none that may be served."""
        if video not in self._paths:
            return None
        try:
            real = self._paths[video].resolve()
        except (OSError, RuntimeError):  # links that lead in a circle
            return None
        if not real.is_relative_to(self._root):
            if video not in self._refused:
                self._refused.add(video)
                logger.warning("'%s': its file leads out of %s, it is not served", video, self._root)
            return None
        try:
            playable = real.suffix.lower() in MEDIA_TYPES and real.is_file() and os.access(real, os.R_OK)
        except OSError:  # a folder above it that may not be entered, say
            return None
        return real if playable else None

    def open(self, video: str) -> BinaryIO | None:
        """Open the file of a video; None where there is none that may be served.

        Raises:
            OSError: the system cannot open more files, or cannot read the disk.
        """
        path = self.path(video)
        return None if path is None else open_file(path)

    def address(self, video: str) -> str | None:
        """Where the page finds the file of a video."""
        return None if self.path(video) is None else f"/clip?{query(id=video)}"


def open_file(path: Path) -> BinaryIO | None:
    """Open a regular file; None where there is none (any more), or where it may not be read.

    Raises:
        OSError: the system cannot open more files, or cannot read the disk.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without following a link, and without waiting for the writer of a pipe that has taken its place."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def _path(address: str) -> str:
    return os.fsdecode(urllib.parse.unquote_to_bytes(address))


def query(**values: object) -> str:
    """The part of an address behind the "?"."""
    return urllib.parse.urlencode(values, errors="replace", quote_via=urllib.parse.quote)
