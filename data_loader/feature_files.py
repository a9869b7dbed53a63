"""Reading feature, caption and index files from strangers, item by item where the format allows."""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import numpy as np

from data_loader.budget import A_REFERENCE, Budget
from data_loader.hdf5 import each_data_set
from utils.errors import InputError
from utils.pickle_stream import StreamingUnpickler, UnstreamableError
from utils.pickled_arrays import array_from_bytes
from utils.safe_pickle import RefusedError, SafeUnpickler, check_keys

MOST_NPY_HEADER = 1 << 16
SUFFIXES = (".pickle", ".pkl", ".npy", ".h5", ".mp")

# Takes the name of an item, or its row in a file by row, and its content.
Sink = Callable[[Any, Any], None]


def read_file(path: Path) -> Any:
    """The content of a small file: arrays and builtin containers.

    Raises:
        InputError: a file that is missing, damaged, of another kind, or holds anything but arrays and containers.
    """
    with _blaming(path):
        if path.suffix in (".pickle", ".pkl", ".npy"):
            with path.open("rb") as file:
                content = _read_npy(path) if path.suffix == ".npy" else SafeUnpickler(file).load()
            Budget(path).spend(content)
            return np.array(content) if isinstance(content, np.memmap) else content
    items: dict[Any, Any] = {}
    each_item(path, items.__setitem__)
    return items


def each_item(path: Path, sink: Sink, stream: bool = True, advance: Callable[[int], None] = lambda size: None) -> str:
    """Hand every item of a file to `sink`.

    A pickle may come from Python 2. An `.npy` file holds one pickled dict, or an array with an item a row; an `.h5` file
    its items as data sets, named by their path; an `.mp` file a map, its arrays as msgpack-numpy writes them. Not all at
    once are read: the data sets, the entries of a map and, where `stream`, those of a pickled dict.

    Args:
        advance: is told of bytes that have been read.

    Returns:
        "dict" where items have names, "rows" where they are numbered.

    Raises:
        InputError: a file that is missing, damaged, of another kind, or holds anything but arrays and containers.
        UnstreamableError: the pickle has to be read whole, and all that was handed over is void.
    """

    budget: Budget

    def guarded(name: Any, value: Any) -> None:
        budget.spend(name)
        budget.spend(value)
        try:
            sink(name, value)
        except Exception as error:
            raise _SinkError(error) from None

    with _blaming(path):
        budget = Budget(path)
        if path.suffix == ".h5":
            return each_data_set(path, guarded, advance, budget)
        if path.suffix == ".npy" and not _holds_objects(path):
            return _each_row(path, _read_npy(path), guarded, advance, budget)
        if path.suffix in (".pickle", ".pkl", ".npy", ".mp"):
            with _Watched(path, advance) as file:
                if path.suffix == ".mp":
                    return _each_msgpack(path, file, guarded)
                return _each_pickled(path, file, guarded, stream, budget)
    raise InputError(f"{path}: unknown kind of file, expected one of {', '.join(SUFFIXES)}")


def find_file(folder: Path, name: str) -> Path:
    """The file `name` in `folder` or, if it is a stem, the one with a known suffix.

    Raises:
        InputError: there is none, or there are several.
    """
    if Path(name).suffix in SUFFIXES:
        if not (folder / name).exists():
            raise InputError(f"{folder / name}: not found, expected it in the archive (misc/sync_experts.py fetches those)")
        return folder / name
    found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").exists()]
    if not found:
        raise InputError(f"{folder / name}: not found, expected a file with one of the suffixes {', '.join(SUFFIXES)}")
    if len(found) > 1:
        raise InputError(f"{folder / name}: found {' and '.join(path.name for path in found)}, expected one file")
    return found[0]


class _SinkError(Exception):
    """What went wrong in a sink is not the file's fault."""

    def __init__(self, error: Exception):
        self.error = error


@contextlib.contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Say of what goes wrong in which file it did."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: cannot be read, expected a file")
    try:
        yield
    except RefusedError as error:
        raise InputError(f"{path}: refused, it holds {error}; expected arrays and builtin containers alone") from None
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except _SinkError as error:
        raise error.error from None
    except (InputError, UnstreamableError):
        raise
    except MemoryError:
        raise InputError(f"{path}: cannot be read, it takes more memory than there is") from None
    except Exception as error:  # a damaged file can fail anywhere inside a decoder
        raise InputError(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())})") from None


class _Watched(io.BufferedReader):
    """A file that tells how many bytes of it have been read."""

    def __init__(self, path: Path, advance: Callable[[int], None]):
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


def _skip_npy_header(file: BinaryIO) -> np.dtype:
    """The dtype of an array, whose header numpy would read whatever its length."""
    version = np.lib.format.read_magic(file)
    start, size = file.tell(), 2 if version == (1, 0) else 4
    if (length := int.from_bytes(file.read(size), "little")) > MOST_NPY_HEADER:
        raise RefusedError(f"a header of {length} bytes")
    file.seek(start)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.kind not in "biufcSUO" or not dtype.itemsize or any(n < 0 for n in shape):
        raise RefusedError(f"an array of {dtype} of shape {shape}")
    return dtype


def _holds_objects(path: Path) -> bool:
    with path.open("rb") as file:
        return _skip_npy_header(file).hasobject


def _read_npy(path: Path) -> Any:
    """An array, memory-mapped, or the object of a 0-d object array."""
    with path.open("rb") as file:
        if _skip_npy_header(file).hasobject:
            array = SafeUnpickler(file).load()
            return array.item() if array.ndim == 0 else array
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _each_pickled(path: Path, file: BinaryIO, sink: Sink, stream: bool, budget: Budget) -> str:
    if path.suffix == ".npy":
        _skip_npy_header(file)
    if stream:
        StreamingUnpickler(file, sink).load()
        return "dict"
    content = SafeUnpickler(file).load()
    if isinstance(content, np.ndarray) and content.ndim == 0:
        content = content.item()
    if isinstance(content, Mapping):
        for name, value in content.items():
            sink(name, value)
        return "dict"
    if isinstance(content, list | np.ndarray):
        return _each_row(path, content, sink, lambda size: None, budget)
    raise InputError(f"{path}: found a {type(content).__name__}, expected a dict from video name to array")


def _each_row(path: Path, rows: Any, sink: Sink, advance: Callable[[int], None], budget: Budget) -> str:
    if isinstance(rows, np.ndarray) and rows.ndim == 0:
        raise InputError(f"{path}: found one {rows.dtype}, expected an array with a row a video")
    budget.spend_bytes(A_REFERENCE * len(rows))
    for row, value in enumerate(rows):
        sink(row, value)
        advance(getattr(value, "nbytes", 0))
    return "rows"


def _each_msgpack(path: Path, file: BinaryIO, sink: Sink) -> str:
    unpacker = msgpack.Unpacker(
        file,
        raw=False,
        object_hook=_array_of,
        strict_map_key=False,
        ext_hook=_refuse_extension,
        max_buffer_size=2**31 - 1,
        unicode_errors="surrogateescape",
    )
    try:
        size = unpacker.read_map_header()
    except ValueError:
        raise InputError(f"{path}: found no map, expected one from video name to array") from None
    for _ in range(size):
        name = unpacker.unpack()
        check_keys([name])
        sink(name, unpacker.unpack())
    return "dict"


def _refuse_extension(code: int, data: bytes) -> None:
    raise RefusedError(f"an object of another program (type {code})")


def _array_of(content: dict) -> Any:
    """The array or number that msgpack-numpy stands for by `content`, or `content` itself."""
    fields = {key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()}
    if "nd" not in fields:
        return content
    if not isinstance(fields.get("type"), str | bytes) or fields.get("kind") in (b"O", "O"):
        raise RefusedError("an array of objects or records")
    code = fields["type"]
    dtype = np.dtype(code if isinstance(code, str) else code.decode())
    if dtype.kind not in "biufcSU":
        raise RefusedError(f"an array of {dtype}")
    array = array_from_bytes(fields["data"], dtype, tuple(fields["shape"]) if fields["nd"] else ())
    return array if fields["nd"] else array[()]
