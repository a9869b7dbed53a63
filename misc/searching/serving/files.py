"""Video files and assets that the search page serves, which may change or be deleted while they are sent."""

import contextlib
import errno
import logging
import os
import stat
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from misc.extraction.posters import Posters
from misc.searching.serving.copies import Copies, Progress
from utils.visualizer.videos import ALL_SUFFIXES, LINK, NOT_PLAYED, POSTERS, find_file
from utils.visualizer.visualizer import FOLDER

MEDIA_TYPES = dict.fromkeys(ALL_SUFFIXES, "application/octet-stream") | {
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".ogv": "video/ogg",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".3gp": "video/3gpp",
    ".gif": "image/gif",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".ogg": "video/ogg",
    ".ts": "video/mp2t",
    ".wmv": "video/x-ms-wmv",
}
HERE = Path(__file__).parent
ASSETS = {  # name -> folder and media type
    "page.css": (FOLDER, "text/css"),
    "clips.js": (FOLDER, "text/javascript"),
    "search.css": (HERE, "text/css"),
    "search.js": (HERE, "text/javascript"),
}
UNFINISHED = "ASGI callable returned without completing response."  # a message of uvicorn
# Errors of `open` that mean "there is no such file to serve".
ERRORS = ("ENOENT", "ENOTDIR", "EISDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG", "ENXIO")
NOT_FOUND = {getattr(errno, name) for name in ERRORS}

logger = logging.getLogger(__name__)


class ClipDetails(NamedTuple):
    """What a page says of a clip beside its URL."""

    poster: str | None  # URL of its poster (None: no poster)
    file: str  # name of its file
    plays: bool  # False if no browser plays such a file
    copy: str | None  # URL of a copy that browsers play (None: no copy)


class Clips:
    """The files and posters of some videos. They are only looked up by id, so that no request can name another file.

    `get_clip` returns the URL of a video's file, relative to the `folder` of the collection (None: no file). The folder of
    the videos may itself be a link. Links in it that lead out of it are refused.
    """

    def __init__(
        self, folder: Path, ids: Iterable[str], get_clip: Callable[[str], str | None], copies: Copies | None = None
    ):
        self._copies = copies  # are made on demand (None: never)
        self._root, self._poster_root = ((folder / name).resolve() for name in (LINK, POSTERS))
        urls = {video: url for video in ids if (url := get_clip(video))}
        self._paths = {video: find_file(folder, url) for video, url in urls.items()}
        self._posters = Posters(folder / POSTERS)
        self._refused: set[str] = set()

    def find(self, video: str) -> Path | None:
        """Return the path of a video's file, without links (None: no file that may be served)."""
        if video not in self._paths:
            return None
        try:
            path = self._paths[video].resolve()
        except (OSError, RuntimeError):  # circular links
            return None
        if not path.is_relative_to(self._root):
            if video not in self._refused:
                self._refused.add(video)
                logger.warning("'%s': its file is outside of %s, it is not served", video, self._root)
            return None
        try:
            is_playable = path.suffix.lower() in MEDIA_TYPES and path.is_file() and os.access(path, os.R_OK)
        except OSError:  # for example, a parent folder that may not be entered
            return None
        return path if is_playable else None

    def open(self, video: str) -> BinaryIO | None:
        """Open the file of a video (None: no file that may be served); other errors than `NOT_FOUND` are raised."""
        path = self.find(video)
        return None if path is None else open_file(path)

    def find_poster(self, video: str, time: float | None = None) -> Path | None:
        """Return the path of a video's poster at a time, see `Posters`, without links; None if none may be served."""
        if self.find(video) is None or (path := self._posters.find(video, self._paths[video], time)) is None:
            return None
        path = path.resolve()
        return path if path.is_relative_to(self._poster_root) else None

    def open_poster(self, video: str, time: float | None = None) -> BinaryIO | None:
        """Open the poster of a video at a time (None: no poster that may be served); see `open`."""
        path = self.find_poster(video, time)
        return None if path is None else open_file(path)

    def details(self, video: str, time: float | None = None) -> ClipDetails:
        """Return what the page says of a video with a URL, whose poster is that at a time."""
        at = {} if time is None else {"t": f"{time:.3f}"}
        poster = None if self.find_poster(video, time) is None else f"/poster?{encode_query(id=video, **at)}"
        file = self._paths[video]
        has_copy = self._copies is not None and self._copies.find(video, file) is not None
        copy = f"/copy?{encode_query(id=video)}" if has_copy else None
        return ClipDetails(poster, file.name, file.suffix.lower() not in NOT_PLAYED, copy)

    def open_copy(self, video: str) -> BinaryIO | None:
        """Open the copy of a video that browsers play (None: no copy that may be served); see `open`."""
        if self._copies is None or self.find(video) is None:
            return None
        path = self._copies.use(video, self._paths[video])
        return None if path is None else open_file(path)

    def request_copy(self, video: str) -> Progress | None:
        """Return the state of a copy that browsers play, which is made if it does not exist; None if it may not be."""
        if self._copies is None or self.find(video) is None:
            return None
        return self._copies.request(video, self._paths[video], lambda: self.open(video))

    def url(self, video: str) -> str | None:
        """Return the URL at which the page serves the file of a video."""
        return None if self.find(video) is None else f"/clip?{encode_query(id=video)}"


def encode_query(**values: object) -> str:
    """Return the query part of a URL."""
    return urllib.parse.urlencode(values, errors="replace", quote_via=urllib.parse.quote)


def open_file(path: Path) -> BinaryIO | None:
    """Open a regular file (None: no such file, or it may not be read); other errors than `NOT_FOUND` are raised."""

    def opener(name: str, flags: int) -> int:  # follows no link, and does not wait for the writer of a pipe
        return os.open(name, flags | os.O_NONBLOCK | os.O_NOFOLLOW)

    try:
        file = open(path, "rb", opener=opener)  # noqa: SIM115
    except OSError as error:
        if error.errno in NOT_FOUND:
            return None
        raise
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


class OpenFileResponse(FileResponse):
    """A response with an open file, complete or in ranges, which is not affected if the file is renamed or deleted.

    The size is that at the start. If the file becomes shorter or unreadable, the connection is closed early and a line is
    logged: a client that counts bytes notices that some are missing. The file is closed after the response.
    """

    def __init__(self, file: BinaryIO, path: Path, media_type: str):
        super().__init__(path, media_type=media_type, stat_result=os.fstat(file.fileno()))
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        with self._file:
            try:
                await super().__call__(scope, receive, send)
            except _TruncatedError as error:
                logger.warning("%s: %s while it was sent, the connection is closed", self.path, error)

    @contextlib.asynccontextmanager
    async def _open_file(self) -> AsyncIterator["_FixedSizeFile"]:
        """Give starlette's methods the open file."""
        yield _FixedSizeFile(self._file, self.stat_result.st_size)


class _TruncatedError(Exception):
    """A file has fewer bytes than announced."""


class _FixedSizeFile:
    """The first `size` bytes of an open file. Reading raises `_TruncatedError` if the file is shorter or unreadable."""

    def __init__(self, file: BinaryIO, size: int):
        self._file, self._size, self._position = anyio.wrap_file(file), size, 0

    async def seek(self, position: int) -> None:
        """Go to a position."""
        self._position = await self._file.seek(position)

    async def read(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` only at the end."""
        size = min(size, self._size - self._position)
        try:
            content = await self._file.read(size)
        except OSError as error:
            raise _TruncatedError(f"could not be read ({error.strerror})") from None
        if len(content) < size:
            raise _TruncatedError("became shorter")
        self._position += size
        return content


async def send_asset(request: Request) -> Response:
    """Return a style sheet or script."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404, "no such file")
    folder, media_type = ASSETS[name]
    path = (folder / name).resolve()
    return await send_file(lambda: open_file(path), "no such file", f"{media_type}; charset=utf-8")


async def send_file(open_it: Callable[[], BinaryIO | None], not_found: str, media_type: str | None = None) -> Response:
    """Return a response with the content of a file, or raise an HTTPException."""
    try:
        file = await run_in_threadpool(open_it)
    except OSError as error:
        logger.warning("%s: %s", error.filename, error.strerror)
        raise HTTPException(503, f"it cannot be opened: {error.strerror}") from None
    if file is None:
        raise HTTPException(404, not_found)
    path = Path(file.name)
    return OpenFileResponse(file, path, media_type or MEDIA_TYPES[path.suffix.lower()])


def hide_unfinished_responses() -> None:
    """Drop uvicorn's message about a connection that is closed early: `OpenFileResponse` logs one with the file's name."""
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != UNFINISHED)
