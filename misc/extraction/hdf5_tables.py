"""Tables in HDF5 that grow by rows, and errors that reading a damaged file raises."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pydantic

from utils.errors import InputError, one_line

CHUNK_BYTES = 1 << 18


def append_rows(file: h5py.File, name: str, rows: np.ndarray) -> int:
    """Append rows to a table, which is made if it does not exist, and return the number of the first."""
    if name not in file:
        chunk = max(1, CHUNK_BYTES // rows[:1].nbytes) if len(rows) else 1
        shape = {"shape": (0, *rows.shape[1:]), "maxshape": (None, *rows.shape[1:]), "chunks": (chunk, *rows.shape[1:])}
        file.create_dataset(name, dtype=rows.dtype, **shape)
    table = file[name]
    first = len(table)
    table.resize(first + len(rows), axis=0)
    table[first:] = rows
    return first


@contextlib.contextmanager
def explain_damage(path: Path) -> Iterator[None]:
    """Convert what reading a damaged file raises to an InputError."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        text = error.errors()[0]["msg"] if isinstance(error, pydantic.ValidationError) else str(error)
        reason = one_line(text)[:100]
        raise InputError(
            f"{path}: damaged ({reason}), or changed since it was opened: repeat the command, or misc/extract_experts.py"
        ) from None
