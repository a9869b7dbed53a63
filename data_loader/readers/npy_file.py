"""Reading `.npy` files: arrays of numbers or text, memory-mapped, and pickled objects."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data_loader.readers import pickle_file
from utils.pickle_globals import RefusedError

MAX_HEADER_BYTES = 1 << 16


def load(path: Path) -> Any:
    """Return the array in a file, memory-mapped, or the object that a 0-d array of objects holds."""
    with path.open("rb") as file:
        if read_header(file).hasobject:
            return pickle_file.load(file)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def holds_objects(path: Path) -> bool:
    """Return whether a file holds a pickle."""
    with path.open("rb") as file:
        return read_header(file).hasobject


def read_header(file: BinaryIO) -> np.dtype:
    """Return the dtype of an array, and leave `file` at its content.

    Raises:
        RefusedError: a header of any length, which numpy would read, or another dtype than of numbers, text and objects.
    """
    version = np.lib.format.read_magic(file)
    start, size = file.tell(), 2 if version == (1, 0) else 4
    if (length := int.from_bytes(file.read(size), "little")) > MAX_HEADER_BYTES:
        raise RefusedError(f"a header of {length} bytes")
    file.seek(start)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.kind not in "biufcSUO" or not dtype.itemsize or any(n < 0 for n in shape):
        raise RefusedError(f"an array of {dtype} of shape {shape}")
    return dtype
