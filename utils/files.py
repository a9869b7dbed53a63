"""Writing files atomically, locking, and reading files of limited size."""

import contextlib
import fcntl
import glob
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from utils.errors import InputError

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
    """Lock an open file or folder until it is closed or the process ends.

    Raises:
        InputError: another process has locked it; the message is `refusal`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(refusal) from None
    except OSError:
        pass  # a file system without locks


@contextlib.contextmanager
def locked(folder: Path, refusal: str) -> Iterator[None]:
    """Lock `folder` within the block.

    Raises:
        InputError: another process has locked it; the message is `refusal`.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, refusal)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def wait_for_lock(path: Path, work: str) -> Iterator[bool]:
    """Lock a folder or a lock file within the block, and wait while another process has locked it.

    Args:
        path: the folder, or the lock file, which is created.
        work: description of what the block does, for the log line of a process that waits.

    Yields:
        True if this process has waited: the other one may have done the work already.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    waited = False
    try:
        try:
            lock(descriptor, "")
        except InputError:
            logger.info("%s: waits for another process, which has begun", work)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            waited = True
        yield waited
    finally:
        os.close(descriptor)


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file of limited size.

    Raises:
        ValueError: the path is a pipe or a device, or the file is larger.
        OSError: the file cannot be read.
    """
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
