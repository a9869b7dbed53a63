"""One process at a time changes an index."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from utils.files import lock

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from changing the index of a folder, which is made.

    Raises:
        InputError: one of them does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("wb") as file:
        lock(file, f"{folder}: another process is changing this index, expected one at a time")
        yield
