"""Reading feature, caption and index files, which may be hostile: one module per file format.

Formats: `.pickle` and `.pkl` (also of Python 2), `.npy` with numbers or pickled objects, `.h5`, and `.mp`, a msgpack map.
"""

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_loader.readers import hdf5_file, msgpack_file, npy_file, pickle_file
from data_loader.readers.budget import REFERENCE_BYTES, Budget
from utils.errors import InputError
from utils.pickle_globals import RefusedError
from utils.safe_pickle import SafeUnpickler

SUFFIXES = (".pickle", ".pkl", ".npy", ".h5", ".mp")


def find_file(folder: Path, name: str) -> Path:
    """Return the path of file `name` in `folder` or, if `name` has no known suffix, of the file with that stem.

    Raises:
        InputError: no such file, or several.
    """
    if Path(name).suffix in SUFFIXES:
        if not (folder / name).exists():
            raise InputError(f"{folder / name}: not found, expected it in the archive (misc/sync_experts.py fetches those)")
        return folder / name
    paths = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").exists()]
    if not paths:
        raise InputError(f"{folder / name}: not found, expected a file with one of the suffixes {', '.join(SUFFIXES)}")
    if len(paths) > 1:
        raise InputError(f"{folder / name}: found {' and '.join(path.name for path in paths)}, expected one file")
    return paths[0]


def read_file(path: Path) -> Any:
    """Return the whole content of a small file: arrays and builtin containers.

    Raises:
        InputError: a file that is missing, damaged, of an unknown format, or holds other objects than these.
    """
    with _errors_naming(path):
        if path.suffix in (".pickle", ".pkl", ".npy"):
            with path.open("rb") as file:
                content = npy_file.load(path) if path.suffix == ".npy" else SafeUnpickler(file).load()
            Budget(path).spend(content)
            return np.array(content) if isinstance(content, np.memmap) else content
    _, items = read_items(path)
    return dict(items)


def read_items(
    path: Path, stream: bool = True, advance: Callable[[int], object] = lambda size: None
) -> tuple[bool, Iterator[tuple[Any, Any]]]:
    """Read the items of a feature file one after the other.

    Items are the entries of a dict or map, the data sets of an HDF5 file, named by their path, or the rows of an array or
    list. Only one item is in memory at a time, except for a pickle without `stream`.

    Args:
        path: the feature file.
        stream: whether to yield the items of a pickle one by one instead of reading all of it first.
        advance: a function to call with the number of bytes that have been read since its last call.

    Returns:
        by_row: whether items are rows, and their names are row numbers.
        items: an iterator over pairs of name and value.

    Raises:
        InputError: a file that is missing, damaged, of an unknown format, or holds other objects than arrays and containers.
        UnstreamableError: the pickle has to be read without `stream`; items that were returned are invalid.
    """
    with _errors_naming(path):
        budget = Budget(path)
        if path.suffix == ".h5":
            return False, _checked(path, budget, hdf5_file.iter_items(path, budget), advance)
        if path.suffix == ".mp":
            return False, _checked(path, budget, msgpack_file.iter_items(_ProgressFile(path, advance)))
        if path.suffix == ".npy" and not npy_file.holds_objects(path):
            return True, _checked(path, budget, _rows(path, npy_file.load(path), budget), advance)
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path}: unknown kind of file, expected one of {', '.join(SUFFIXES)}")
        file = _ProgressFile(path, advance)
        if path.suffix == ".npy":
            npy_file.read_header(file)
        if stream:
            return False, _checked(path, budget, pickle_file.iter_items(file))
        content = pickle_file.load(file)
        if isinstance(content, Mapping):
            return False, _checked(path, budget, content.items())
        return True, _checked(path, budget, _rows(path, content, budget))


def _rows(path: Path, content: Any, budget: Budget) -> Iterable[tuple[int, Any]]:
    """Return the rows of an array or list with their numbers."""
    if not isinstance(content, list | np.ndarray):
        raise InputError(f"{path}: found a {type(content).__name__}, expected a dict from video name to array")
    if isinstance(content, np.ndarray) and content.ndim == 0:
        raise InputError(f"{path}: found one {content.dtype}, expected an array with a row per video")
    budget.spend_bytes(REFERENCE_BYTES * len(content))
    return enumerate(content)


def _checked(
    path: Path, budget: Budget, items: Iterable[tuple[Any, Any]], advance: Callable[[int], object] | None = None
) -> Iterator[tuple[Any, Any]]:
    """Yield `items` within the budget; an error while they are read names the file.

    Args:
        advance: a function to call with the bytes of each value (None: the file itself reports them).
    """
    with _errors_naming(path):
        for name, value in items:
            budget.spend(name)
            budget.spend(value)
            yield name, value
            if advance is not None:
                advance(getattr(value, "nbytes", 0))


@contextlib.contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Turn each error in the block into an `InputError` that names the file."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: cannot be read, expected a file")
    try:
        yield
    except RefusedError as error:
        raise InputError(f"{path}: refused, it holds {error}; expected only arrays and builtin containers") from None
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (InputError, pickle_file.UnstreamableError):
        raise
    except MemoryError:
        raise InputError(f"{path}: cannot be read, it takes more memory than there is") from None
    except Exception as error:  # a damaged file can fail anywhere inside a decoder
        raise InputError(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())})") from None


class _ProgressFile(io.BufferedReader):
    """A file that reports how many bytes of it are read."""

    def __init__(self, path: Path, advance: Callable[[int], object]):
        super().__init__(io.FileIO(path), buffer_size=1 << 20)
        self._advance = advance

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self._advance(len(content))
        return content

    def readinto(self, buffer: Any) -> int:
        size = super().readinto(buffer)
        self._advance(size)
        return size
