"""One process at a time changes an index."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from utils.files import in_turn

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other processes from changing the index of a folder, which is made; wait, with a line, for one that does so.

    The block gets whether it has waited.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with in_turn(folder / LOCK, str(folder)) as waited:
        yield waited
