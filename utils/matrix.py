"""Matrices that may be too large for memory: rows in an unnamed temporary file."""

import contextlib
import os
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Protocol

import numpy as np

from utils.errors import InputError
from utils.progress import size_text

BLOCK_BYTES = 4 << 20


class Matrix(Protocol):
    """What an array of two dimensions and a `FileMatrix` have in common: slices of rows, which are arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""

    @property
    def dtype(self) -> np.dtype:
        """Of its numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class FileMatrix:
    """A matrix of float32 in a temporary file without a name, which is gone with the object and with the process.

    It is written and read through the file, not mapped: its pages are not the process's memory. Several threads may read.

    Args:
        columns: their number; rows are appended.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, columns: int):
        self.shape = (0, columns)
        with _room_needed(0):
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as the matrix is there
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self.shape[0]

    def reserve(self, rows: int) -> None:
        """Make room for so many rows in all, or find out that there is none.

        Raises:
            InputError: the disk is full.
        """
        size = rows * self._row_bytes
        with _room_needed(size):
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), 0, size)

    def append(self, block: np.ndarray) -> None:
        """Write further rows (n, columns).

        Raises:
            InputError: the disk is full.
        """
        if block.ndim != 2 or block.shape[1] != self.shape[1]:
            raise ValueError(f"rows of shape {block.shape} for a matrix with {self.shape[1]} columns")
        with _room_needed(block.nbytes):
            block = np.ascontiguousarray(block, dtype=self.dtype)
            _whole(os.pwritev, self._file.fileno(), block, len(self) * self._row_bytes)
        self.shape = (len(self) + len(block), self.shape[1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """A copy of the rows from `rows.start` to `rows.stop`."""
        start, stop, _ = rows.indices(len(self))
        block = np.empty((max(0, stop - start), self.shape[1]), dtype=self.dtype)
        _whole(os.preadv, self._file.fileno(), block, start * self._row_bytes)
        return block

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * self.dtype.itemsize


def row_blocks(matrix: Matrix) -> Iterator[np.ndarray]:
    """The rows in order, a few MiB at a time."""
    step = max(1, BLOCK_BYTES // (matrix.dtype.itemsize * matrix.shape[1]))
    for start in range(0, len(matrix), step):
        yield matrix[start : start + step]


def columns_of(matrix: Matrix, numbers: Sequence[int]) -> np.ndarray:
    """Some columns of a matrix: (their number, rows)."""
    return np.concatenate([block.T[numbers] for block in row_blocks(matrix)], axis=1)


def save_npz(file: BinaryIO, **arrays: "np.ndarray | FileMatrix") -> None:
    """Write what `numpy.savez_compressed` would, with no more than a few rows of a `FileMatrix` in memory."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as container:
        for name, array in arrays.items():
            with container.open(f"{name}.npy", "w", force_zip64=True) as entry:
                if isinstance(array, np.ndarray):
                    np.lib.format.write_array(entry, array, allow_pickle=False)
                    continue
                about = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
                np.lib.format.write_array_header_1_0(entry, about)
                for block in row_blocks(array):
                    entry.write(block.tobytes())


@contextlib.contextmanager
def _room_needed(size: int) -> Iterator[None]:
    """Say in one line where a temporary file could not take so many bytes."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{tempfile.gettempdir()}: {error.strerror or error} ({size_text(size)} were needed for a while; TMPDIR "
            "chooses another folder, a larger evaluation_memory keeps more in memory)"
        ) from None


def _whole(call: Callable[[int, list, int], int], descriptor: int, block: np.ndarray, offset: int) -> None:
    """Read or write all of a block, which the system may do in parts."""
    left = memoryview(block.reshape(-1)).cast("B") if block.size else memoryview(b"")
    while left:
        done = call(descriptor, [left], offset)
        if not done:
            raise OSError("the temporary file has become shorter")
        left, offset = left[done:], offset + done
