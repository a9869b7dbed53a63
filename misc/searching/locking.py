"""One process at a time changes an index."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from utils.files import wait_for_lock

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other processes from changing the index of a folder, which is made; wait, with a line, for one that does so.

    The block gets whether it has waited.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with wait_for_lock(folder / LOCK, str(folder)) as waited:
        yield waited
