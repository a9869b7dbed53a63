"""Responses with the content of files that may change or vanish while they are sent."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import anyio
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

UNFINISHED = "ASGI callable returned without completing response."  # as uvicorn says it

logger = logging.getLogger(__name__)


class OpenFileResponse(FileResponse):
    """A response with an open file, whole or in ranges, whatever happens to its name meanwhile.

    The size is that of the start. Where the file is shorter by then, or cannot be read, the connection is closed before the
    end, and a line says so: a client that counts bytes knows that some are missing.

    Args:
        file: closed after the response.
        path: of the file, for messages.
        media_type: as the header says it.
    """

    def __init__(self, file: BinaryIO, path: Path, media_type: str):
        super().__init__(path, media_type=media_type, stat_result=os.fstat(file.fileno()))
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        with self._file:
            try:
                await super().__call__(scope, receive, send)
            except _CutShort as error:
                logger.warning("%s: %s while it was sent, the connection is closed", self.path, error)

    @contextlib.asynccontextmanager
    async def _open_file(self) -> AsyncIterator["_FileOfSize"]:
        """Give the methods of starlette the open file."""
        yield _FileOfSize(self._file, self.stat_result.st_size)


class _CutShort(Exception):
    """A file has fewer bytes than were promised."""


class _FileOfSize:
    """An open file that has `size` bytes, no more and no less.

    Raises:
        _CutShort: it has less, or cannot be read.
    """

    def __init__(self, file: BinaryIO, size: int):
        self._file, self._size, self._position = anyio.wrap_file(file), size, 0

    async def seek(self, position: int) -> None:
        """Go to a position."""
        self._position = await self._file.seek(position)

    async def read(self, number: int) -> bytes:
        """Return the next bytes; fewer than `number` only at the end."""
        number = min(number, self._size - self._position)
        try:
            content = await self._file.read(number)
        except OSError as error:
            raise _CutShort(f"could not be read ({error.strerror})") from None
        if len(content) < number:
            raise _CutShort("became shorter")
        self._position += number
        return content


def hide_unfinished() -> None:
    """Keep uvicorn from adding a line without the file's name to the one about a connection that is closed early."""
    logging.getLogger("uvicorn.error").addFilter(_is_finished)


def _is_finished(record: logging.LogRecord) -> bool:
    return record.msg != UNFINISHED
