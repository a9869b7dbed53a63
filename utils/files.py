"""Writing files atomically, locking, reading files of limited size, and arrays in temporary files."""

import contextlib
import fcntl
import glob
import json
import logging
import math
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from utils.errors import InputError
from utils.progress import size_text

if TYPE_CHECKING:
    import numpy as np

TEMPORARY = ".{name}.{writer}.tmp"
ABANDONED_SECONDS = 24 * 3600

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write to a temporary file next to `path`, which replaces it when the block ends, and is deleted if the block fails."""
    writer = f"{os.getpid()}-{secrets.token_hex(4)}"  # another container may have a process with this id
    temporary = path.with_name(TEMPORARY.format(name=path.name, writer=writer))
    try:
        with temporary.open("xb") as file:
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
    """Lock an open file or folder until it is closed; raise an InputError `refusal` if another process has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(refusal) from None
    except OSError:
        pass  # a file system without locks


@contextlib.contextmanager
def locked(folder: Path, refusal: str) -> Iterator[None]:
    """Lock `folder` within the block; raise an `InputError` `refusal` if another process has locked it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, refusal)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def wait_for_lock(path: Path, name: str) -> Iterator[bool]:
    """Lock a folder, or a lock file, which is created, within the block, and wait while another process has locked it.

    A process that waits logs a line that begins with `name`, and yields True: the other one may have done the work already.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    waited = False
    try:
        try:
            lock(descriptor, "")
        except InputError:
            logger.info("%s: waits for another process, which has begun", name)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            waited = True
        yield waited
    finally:
        os.close(descriptor)


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file; a larger one, a pipe and a device raise a ValueError."""
    if not path.is_file() and not path.is_dir() and path.exists():
        raise ValueError("no file, but a pipe or a device")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"more than {max_bytes} bytes")
    return content


def remove_abandoned(path: Path) -> None:
    """Delete temporary files of killed processes next to `path`: those that have not changed for a day."""
    for temporary in path.parent.glob(TEMPORARY.format(name=glob.escape(path.name), writer="*")):
        if time.time() - temporary.stat().st_mtime > ABANDONED_SECONDS:
            temporary.unlink(missing_ok=True)


def remove_temporary(folder: Path) -> None:
    """Delete all temporary files below a folder that no other process writes to."""
    for temporary in folder.rglob(TEMPORARY.format(name="*", writer="*")):
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_write(path) as file:
        file.write(content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    write_bytes(path, json.dumps(content, indent=4, allow_nan=False).encode() + b"\n")


@contextlib.contextmanager
def explain_full_disk(size: int) -> Iterator[None]:
    """Convert an `OSError` of writing a temporary file of `size` bytes to an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{tempfile.gettempdir()}: {error.strerror or error} ({size_text(size)} were needed for a while; set TMPDIR "
            "to another folder, or a larger evaluation_memory to keep more in memory)"
        ) from None


def temporary_array(shape: tuple[int, ...]) -> "np.memmap":
    """Return float32 zeros mapped to a temporary file, which is deleted with the array or when the process ends.

    The system can write its pages to the file at any time, unlike those of an array in memory. A full disk is an InputError.
    """
    import numpy as np  # commands without arrays start faster without it

    size = max(1, math.prod(shape) * np.dtype(np.float32).itemsize)
    with explain_full_disk(size), tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # without it, a disk that fills up later kills the process (SIGBUS)
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, np.float32, "r+", shape=shape)
