"""Reading feature files from strangers: nothing that a file says is executed."""

import codecs
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy._core import multiarray, numeric

from utils.errors import InputError

SUFFIXES = (".pickle", ".pkl", ".npy", ".h5")


class RefusedError(pickle.UnpicklingError):
    """A pickle asks for something that is not allowed."""


class _Allowed:
    """Something that a pickle may name; unlike a function or class of Python, BUILD cannot set its attributes."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable | None = None):
        object.__setattr__(self, "_call", call)

    def __call__(self, *args: Any) -> Any:
        if self._call is None:
            raise RefusedError("an array made by a call")
        return self._call(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise RefusedError("a state for something that has none")

    __setstate__ = __setattr__


class _DType:
    """A dtype as a pickle describes it: its code and byte order, and nothing that could make bytes into addresses."""

    __slots__ = ("_order", "_code")

    def __init__(self, code: str, align: bool = False, copy: bool = False):
        self._code, self._order = code, "="

    def __setstate__(self, state: tuple) -> None:
        if any(part is not None for part in state[2:5]):
            raise RefusedError("an array of records")
        self._order = state[1]

    def real(self) -> np.dtype:
        dtype = np.dtype(self._code)
        if dtype.kind not in "biufcSUO":
            raise RefusedError(f"an array of {dtype}")
        return dtype.newbyteorder(self._order)


class _Array(np.ndarray):
    """An array that takes its dtype from `_DType`."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, fortran, content = state
        super().__setstate__((version, shape, dtype.real(), fortran, content))


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as Python 2 and old protocols pickle them: text in latin1, and no other codec."""
    if encoding != "latin1":
        raise RefusedError(f"bytes in the encoding '{encoding}'")
    return codecs.encode(text, encoding)


_NDARRAY = _Allowed()


def _reconstruct(subtype: type, shape: tuple, dtype: Any) -> np.ndarray:
    """An empty array, and of no other type, that the pickle then fills."""
    if subtype is not _NDARRAY:
        raise RefusedError(f"an array of type {subtype!r}")
    return multiarray._reconstruct(_Array, (0,), b"b")


_NUMPY = {
    ("multiarray", "_reconstruct"): _Allowed(_reconstruct),
    ("multiarray", "scalar"): _Allowed(lambda dtype, content: multiarray.scalar(dtype.real(), content)),
    ("numeric", "_frombuffer"): _Allowed(
        lambda content, dtype, *shape_and_order: numeric._frombuffer(content, dtype.real(), *shape_and_order)
    ),
}
_ALLOWED = {
    **{(f"numpy.{core}.{module}", name): value for core in ("core", "_core") for (module, name), value in _NUMPY.items()},
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Allowed(_DType),
    ("_codecs", "encode"): _Allowed(_encode),
    ("collections", "OrderedDict"): OrderedDict,
    **{
        (builtins, kind.__name__): kind
        for builtins in ("builtins", "__builtin__")
        for kind in (dict, list, tuple, set, frozenset, bytes, bytearray, str, int, float, complex, bool)
    },
}


class SafeUnpickler(pickle.Unpickler):
    """Builds numpy arrays and builtin containers and refuses everything else, before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """The allowed object `module.name`."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise RefusedError(f"the class {module}.{name}".encode("unicode_escape").decode()) from None


def read_file(path: Path) -> Any:
    """The content of a feature, caption or index file: arrays and builtin containers.

    A pickle may come from Python 2. An `.npy` file with one pickled object gives that object, an `.h5` file a dict of its
    data sets by path.

    Raises:
        InputError: a file that is missing, damaged, of another kind, or holds anything but arrays and containers.
    """
    try:
        if path.suffix in (".pickle", ".pkl"):
            with path.open("rb") as file:
                return SafeUnpickler(file, encoding="latin1").load()
        if path.suffix == ".npy":
            return _read_npy(path)
        if path.suffix == ".h5":
            return _read_h5(path)
    except RefusedError as error:
        raise InputError(f"{path}: refused, it holds {error}; expected arrays and builtin containers alone") from None
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except InputError:
        raise
    except Exception as error:  # a damaged file can fail anywhere inside a decoder
        raise InputError(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())})") from None
    raise InputError(f"{path}: unknown kind of file, expected one of {', '.join(SUFFIXES)}")


def find_file(folder: Path, stem: str) -> Path:
    """The one file `stem` with a known suffix in `folder`.

    Raises:
        InputError: there is none, or there are several.
    """
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").exists()]
    if not found:
        raise InputError(f"{folder / stem}: not found, expected a file with one of the suffixes {', '.join(SUFFIXES)}")
    if len(found) > 1:
        raise InputError(f"{folder / stem}: found {' and '.join(path.name for path in found)}, expected one file")
    return found[0]


def _read_npy(path: Path) -> Any:
    """An array, memory-mapped, or the object of a 0-d object array."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        _, _, dtype = read_header(file)
        if dtype.hasobject:
            array = SafeUnpickler(file, encoding="latin1").load()
            return array.item() if array.ndim == 0 else array
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_h5(path: Path) -> dict[str, np.ndarray]:
    """All data sets of a file by their path; links that could leave the file are refused."""
    arrays = {}

    def collect(group: h5py.Group, prefix: str) -> None:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"{path}: refused, '{prefix}{name}' is a link, expected data sets and groups alone")
            if isinstance(group[name], h5py.Group):
                collect(group[name], f"{prefix}{name}/")
            else:
                if group[name].is_virtual or group[name].external:
                    raise InputError(f"{path}: refused, '{prefix}{name}' is stored in another file")
                arrays[f"{prefix}{name}"] = group[name][()]

    with h5py.File(path, "r") as file:
        collect(file, "")
    return arrays
