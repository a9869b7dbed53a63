"""How much a file from strangers may hold: few bytes can stand for more than there is memory or disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.safe_pickle import RefusedError

# A file may hold that many bytes, or more if it is large: that many times its size. Features seldom shrink to a half.
LEAST_BYTES = 32 << 20
RATIO = 32
DEPTH = 16
A_REFERENCE = 8
PLAIN = (int, float, complex, np.generic, type(None))


class Budget:
    """What is left of the bytes that a file may hold. What it repeats counts anew each time, as it does when it is kept."""

    def __init__(self, path: Path):
        self.left = self.whole = max(LEAST_BYTES, RATIO * path.stat().st_size)

    def spend_bytes(self, number: int) -> None:
        """Take so many bytes.

        Raises:
            RefusedError: there are not that many.
        """
        self.left -= number
        if self.left < 0:
            raise RefusedError(
                f"more than {self.whole} bytes once it is read, too many for its size: items may share arrays"
            )

    def spend(self, value: Any) -> None:
        """Take what a value holds.

        Raises:
            RefusedError: it holds too much, goes too deep, or has letters that are none.
        """
        level = [value]
        for _ in range(DEPTH):
            level = [part for x in level for part in self._parts(x)]
            if not level:
                return
        raise RefusedError(f"containers in containers, more than {DEPTH} deep")

    def _parts(self, value: Any) -> Any:
        """What is in a container, once it is paid for."""
        if isinstance(value, np.ndarray):
            self.spend_bytes(A_REFERENCE * (1 + sum(value.shape)) + max(value.nbytes, 4 * value.size))
            if value.dtype.kind == "U" and value.size and _letters(value).max() > 0x10FFFF:
                raise RefusedError("letters that are none")
            return value.ravel().tolist() if value.dtype.hasobject else ()
        if isinstance(value, str | bytes | bytearray):
            self.spend_bytes(A_REFERENCE + len(value))
            return ()
        if isinstance(value, Mapping):
            self.spend_bytes(2 * A_REFERENCE * (1 + len(value)))
            return [*value.keys(), *value.values()]
        if isinstance(value, list | tuple | set | frozenset):
            self.spend_bytes(A_REFERENCE * (1 + len(value)))
            return value
        if not isinstance(value, PLAIN):
            raise RefusedError("an object that is not an array, text, number or container")
        return ()


def _letters(texts: np.ndarray) -> np.ndarray:
    """The code points of an array of texts."""
    return np.ascontiguousarray(texts).reshape(-1).view(np.dtype("u4").newbyteorder(texts.dtype.byteorder))
