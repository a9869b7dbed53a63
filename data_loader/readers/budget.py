"""A limit on the content of a file: a few bytes of a hostile file may unpack to more than memory or disk can hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.pickle_globals import RefusedError

# The limit of a file is a multiple of its size, and at least this. Features rarely compress to a half of their size.
MIN_LIMIT_BYTES = 32 << 20
MAX_FEATURE_RATIO = 32
MAX_FEATURE_DEPTH = 16
REFERENCE_BYTES = 8
_ATOMS = (int, float, complex, np.generic, type(None))


class Budget:
    """The number of bytes that a file may still hold; a repeated object counts each time, since it is stored each time."""

    def __init__(self, path: Path):
        self.limit = self.remaining = max(MIN_LIMIT_BYTES, MAX_FEATURE_RATIO * path.stat().st_size)

    def spend_bytes(self, size: int) -> None:
        """Subtract `size` bytes, and refuse the file if fewer remain."""
        self.remaining -= size
        if self.remaining < 0:
            raise RefusedError(f"more than {self.limit} bytes, too many for its size: items may share arrays")

    def spend(self, value: Any) -> None:
        """Subtract the size of a value, and refuse one that is too large or too deep, or has text with invalid letters."""
        level = [value]
        for _ in range(MAX_FEATURE_DEPTH):
            level = [child for parent in level for child in self._spend_one(parent)]
            if not level:
                return
        raise RefusedError(f"containers in containers, more than {MAX_FEATURE_DEPTH} deep")

    def _spend_one(self, value: Any) -> Any:
        """Subtract the size of a container without its items, or of another value, and return its items."""
        if isinstance(value, np.ndarray):
            self.spend_bytes(REFERENCE_BYTES * (1 + sum(value.shape)) + max(value.nbytes, 4 * value.size))
            if value.dtype.kind == "U" and value.size:
                code_points = np.ravel(value).view(np.dtype("u4").newbyteorder(value.dtype.byteorder))
                if code_points.max() > 0x10FFFF:
                    raise RefusedError("text with invalid letters")
            return value.ravel().tolist() if value.dtype.hasobject else ()
        if isinstance(value, str | bytes | bytearray):
            self.spend_bytes(REFERENCE_BYTES + len(value))
            return ()
        if isinstance(value, Mapping):
            self.spend_bytes(2 * REFERENCE_BYTES * (1 + len(value)))
            return [*value.keys(), *value.values()]
        if isinstance(value, list | tuple | set | frozenset):
            self.spend_bytes(REFERENCE_BYTES * (1 + len(value)))
            return value
        if not isinstance(value, _ATOMS):
            raise RefusedError("an object that is not an array, text, number or container")
        return ()
