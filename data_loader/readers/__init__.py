"""Reading feature, caption and index files, which may be hostile: one module per file format.

Formats: `.pickle` and `.pkl` (also of Python 2), `.npy` with numbers or pickled objects, `.h5`, `.mp`, a msgpack map, and
`.hickle`, a dict in HDF5.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.utils import CallbackIOWrapper

from data_loader.readers import hdf5_file, hickle_file, msgpack_file, npy_file, pickle_file
from data_loader.readers.budget import REFERENCE_BYTES, Budget
from utils.errors import InputError
from utils.files import read_limited
from utils.names import normalize_name
from utils.pickle_globals import RefusedError
from utils.safe_pickle import SafeUnpickler

FEATURE_SUFFIXES = (".pickle", ".pkl", ".npy", ".h5", ".mp", ".hickle")
BUFFER_BYTES = 1 << 20
MAX_LIST_BYTES = 64 << 20  # enough for more than a million names


def find_file(folder: Path, name: str) -> Path:
    """Return the path of file `name` in `folder` or, if `name` has no known suffix, of the file with that stem.

    Raises:
        InputError: no such file, or several.
    """
    if Path(name).suffix in FEATURE_SUFFIXES:
        if not (folder / name).exists():
            raise InputError(f"{folder / name}: not found, expected it in the archive (misc/sync_experts.py fetches those)")
        return folder / name
    paths = [path for suffix in FEATURE_SUFFIXES if (path := folder / f"{name}{suffix}").exists()]
    if not paths:
        suffixes = ", ".join(FEATURE_SUFFIXES)
        raise InputError(f"{folder / name}: not found, expected a file with one of the suffixes {suffixes}")
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


def read_video_list(path: Path, to_id: Callable[[str], str]) -> list[str]:
    """Return the videos in a list, which has one name per line, in NFC.

    Args:
        to_id: a function that turns a name in the list into the name of a video.

    Raises:
        InputError: a list that is missing, empty or not text, or that has a name twice.
    """
    try:
        lines = read_limited(path, MAX_LIST_BYTES).decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: not found, expected a list of video names, one per line") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason})") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}, expected a list of video names, one per line") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a list of video names") from None
    names = [normalize_name(line.strip()) for line in lines if line.strip()]
    ids = [to_id(name) for name in names]
    if "" in ids:
        raise InputError(f"{path}: '{names[ids.index('')]}' has no name before its dot")
    if invalid := [video for video in ids if "\0" in video]:
        raise InputError(f"{path}: {invalid[0]!r} has a zero byte, expected a list of video names, one per line")
    if not ids:
        raise InputError(f"{path}: no video, expected at least one name")
    (video, count), *_ = Counter(ids).most_common(1)
    if count > 1:
        raise InputError(f"{path}: '{video}' is there {count} times, expected once")
    return ids


def read_entries(path: Path, ids: list[str], to_id: Callable[[str], str] = str) -> list[Any]:
    """Return the values of videos in a file that holds a dict.

    Args:
        to_id: a function that turns a name in the file into the name of a video.

    Raises:
        InputError: a file that cannot be read, or without an entry for each video.
    """
    content = read_file(path)
    if isinstance(content, Mapping):
        content = {to_id(str(name)): value for name, value in content.items()}
    for video in ids:
        if not isinstance(content, Mapping) or video not in content:
            raise InputError(f"{path}: has no '{video}', expected a dict with every video")
    return [content[video] for video in ids]


def read_items(
    path: Path, stream: bool = True, advance: Callable[[int], object] = lambda size: None
) -> tuple[bool, Iterator[tuple[Any, Any]]]:
    """Read the items of a feature file one after the other.

    Items are the entries of a dict or map, the data sets of an HDF5 file, named by their path, or the rows of an array or
    list. Only one item is in memory at a time, except for a pickle without `stream`.

    Args:
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
        if path.suffix == ".hickle":
            return False, _checked(path, budget, hickle_file.iter_items(path, budget), advance)
        if path.suffix == ".npy" and not npy_file.holds_objects(path):
            return True, _checked(path, budget, _rows(path, npy_file.load(path), budget), advance)
        if path.suffix not in FEATURE_SUFFIXES:
            raise InputError(f"{path}: unknown kind of file, expected one of {', '.join(FEATURE_SUFFIXES)}")
        file = CallbackIOWrapper(advance, path.open("rb", buffering=BUFFER_BYTES))
        if path.suffix == ".mp":
            return False, _checked(path, budget, msgpack_file.iter_items(file))
        if path.suffix == ".npy":
            npy_file.read_header(file)
        if stream:
            return False, _checked(path, budget, pickle_file.StreamingUnpickler(file).iter_items())
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
    """Yield `items` within the budget, and call `advance` with their bytes unless the file itself reports them."""
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
