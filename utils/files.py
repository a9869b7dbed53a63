"""Files that are there whole or not at all."""

import contextlib
import fcntl
import glob
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from utils.errors import InputError

TEMPORARY = ".{name}.{pid}.tmp"
ABANDONED_SECONDS = 24 * 3600


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write to a temporary file beside `path` that takes its place when the block ends well, and vanishes when not."""
    temporary = path.with_name(TEMPORARY.format(name=path.name, pid=os.getpid()))
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def lock(file: int | BinaryIO, refusal: str) -> None:
    """Keep other processes from locking an open file or folder until it is closed, or the process ends, however it does.

    Raises:
        InputError: one of them has locked it; `refusal` says so.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(refusal) from None
    except OSError:
        pass  # a file system without locks


def remove_abandoned(path: Path) -> None:
    """Delete the temporary files of writes of `path` that were killed: nobody has written them for a day."""
    for temporary in path.parent.glob(TEMPORARY.format(name=glob.escape(path.name), pid="*")):
        if time.time() - temporary.stat().st_mtime > ABANDONED_SECONDS:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=4, allow_nan=False).encode() + b"\n")
