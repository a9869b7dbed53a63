"""Arrays in temporary files, for content that may not fit in memory."""

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator

import numpy as np

from utils.errors import InputError
from utils.progress import size_text


@contextlib.contextmanager
def explain_full_disk(size: int) -> Iterator[None]:
    """Convert an error of writing a temporary file of `size` bytes to one line.

    Raises:
        InputError: an `OSError` was raised within the block.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{tempfile.gettempdir()}: {error.strerror or error} ({size_text(size)} were needed for a while; set TMPDIR "
            "to another folder, or a larger evaluation_memory to keep more in memory)"
        ) from None


def temporary_array(shape: tuple[int, ...], dtype: type = np.float32) -> np.memmap:
    """Return an array of zeros that is mapped to a temporary file, which is deleted with the array or when the process ends.

    The system can write its pages to the file at any time, unlike those of an array in memory.

    Raises:
        InputError: the disk is full.
    """
    size = max(1, math.prod(shape) * np.dtype(dtype).itemsize)
    with explain_full_disk(size), tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # without it, a disk that fills up later kills the process (SIGBUS)
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, dtype, "r+", shape=shape)
