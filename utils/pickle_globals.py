"""Harmless replacements of the classes and functions that a pickle may refer to.

A pickle makes an array in two steps: a call returns an empty one, and a state then sets its shape, dtype and content. Here a
placeholder replaces the empty array, and its state is turned into a new array that owns its memory. No array uses the memory
of another object, and a pickle can neither change nor free the content of an array.
"""

import dataclasses
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

_KEYS = (str, bytes, int, float, complex, np.generic, type(None))
_DTYPE_CODE = re.compile(r"[<>=|]?[a-zA-Z?]\d{0,9}")


class RefusedError(pickle.UnpicklingError):
    """A file holds something that is not allowed."""


def _refuse_call(*args: Any) -> None:
    raise RefusedError("an array made by a call")


@dataclasses.dataclass(frozen=True, eq=False)
class Allowed:
    """An object that a pickle may refer to, and may call if it replaces a function."""

    call: Callable = _refuse_call


class Placeholder:
    """An object that a pickle makes first and describes by a state later, once.

    The result of `build` replaces it on the stack and in the memo.
    """

    def __init__(self) -> None:
        self.memo_keys: list[int] = []
        self.is_built = False

    def build(self, state: Any) -> Any:
        """Return the object that `state` describes."""
        raise NotImplementedError


class PickledDType(Placeholder):
    """A dtype before its state: the code of an item, such as `f4`. The state may only add the byte order."""

    def __init__(self, code: str, align: bool = False, copy: bool = False):  # as pickled; the last two have no effect
        super().__init__()
        if not isinstance(code, str) or not _DTYPE_CODE.fullmatch(code):
            raise RefusedError("an array of records")
        self._code = code

    def build(self, state: tuple) -> np.dtype:
        """Return the dtype with the byte order of `state`; records, dates and items without size are refused."""
        if type(state) is not tuple or len(state) < 2 or any(part is not None for part in state[2:5]):
            raise RefusedError("an array of records")
        if type(state[1]) is not str:
            raise RefusedError("an array without a byte order")
        dtype = np.dtype(self._code)
        if dtype.kind not in "biufcSUO" or not dtype.itemsize:
            raise RefusedError(f"an array of {dtype}")
        return dtype.newbyteorder(state[1])


class PickledArray(Placeholder):
    """An array before its state."""

    def build(self, state: tuple) -> np.ndarray:
        """Return the array of `state`: (version, shape, dtype, whether columns come first, content)."""
        version, shape, dtype, fortran, content = state
        if type(state) is not tuple or version != 1:
            raise RefusedError("an array of an unknown version of numpy")
        if isinstance(dtype, np.dtype) and dtype.hasobject:
            if type(content) is not list or len(content) != _num_items(shape):
                raise RefusedError("an array of other objects than its shape says")
            return np.fromiter(content, object, len(content)).reshape(shape).copy()  # in C order
        return array_from_bytes(_bytes_of_python2(content), dtype, shape, "F" if fortran else "C")


def array_from_bytes(content: Any, dtype: Any, shape: Any, order: str = "C", axes: Any = None) -> np.ndarray:
    """Return an array in native byte order that owns a copy of `content`, bytes or a bytearray of exactly its size.

    Args:
        order: the order of the items in `content`: "C", "F", or "K" for the order of `axes`.
        axes: a permutation of the axes of `shape`, only for the order "K".
    """
    if type(content) not in (bytes, bytearray):
        raise RefusedError(f"an array whose content is of type {type(content).__name__}")
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not dtype.itemsize:
        raise RefusedError("an array of bytes without a dtype of numbers or texts")
    if len(content) != _num_items(shape) * dtype.itemsize:
        raise RefusedError(f"an array of {len(content)} bytes, more or fewer than its shape says")
    if order not in ("C", "F", "K") or (order == "K") != (axes is not None):
        raise RefusedError("an array of items in an unknown order")
    items = np.ndarray(shape, dtype, content, order="F" if order == "F" else "C")
    if order == "K":
        items = items.transpose(axes)
    return items.astype(dtype.newbyteorder("="), order="K")


def _bytes_of_python2(content: Any) -> Any:
    """Return `content`, converted to bytes if it is a byte string of Python 2, which is read as text."""
    return content.encode("latin1") if type(content) is str else content


def _scalar(dtype: Any, content: Any) -> np.generic:
    """Return a number or text of numpy."""
    return array_from_bytes(_bytes_of_python2(content), dtype, ())[()]


def _num_items(shape: Any) -> int:
    """Return how many items an array of `shape` has."""
    if type(shape) is not tuple or any(type(n) is not int or n < 0 for n in shape):
        raise RefusedError("an array of an invalid shape")
    return math.prod(shape)


_NDARRAY = Allowed()


def _reconstruct(subtype: Any, shape: Any, dtype: Any) -> PickledArray:
    """Return a placeholder for an array, which must be of no other type."""
    if subtype is not _NDARRAY:
        raise RefusedError("an array that is no numpy.ndarray")
    return PickledArray()


def check_keys(keys: Iterable) -> None:
    """Refuse other keys than texts and numbers: to hash nested tuples may take forever, or overflow the stack."""
    if not all(isinstance(key, _KEYS) for key in keys):
        raise RefusedError("a dict or set with other keys than texts and numbers")


def _ordered_dict(pairs: Any = ()) -> OrderedDict:
    """Return an OrderedDict of keys and values, as Python 2 pickles it."""
    if not isinstance(pairs, list | tuple) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise RefusedError("an OrderedDict of other things than keys and values")
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _make_set(kind: type, items: Any = ()) -> Any:
    """Return a set of the items of a list, as protocols before 4 pickle it."""
    check_keys(items if isinstance(items, list | tuple) else (items,))
    return kind(items)


def _make_bytes(kind: type, text: Any = "", encoding: str = "latin1") -> Any:
    """Return bytes or a bytearray from bytes or text in latin1, but not from a number, which would be a length."""
    if isinstance(text, bytes):
        return kind(text)
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"{kind.__name__} of something else than a text in latin1")
    return kind(text.encode("latin1"))


def _complex(real: float, imaginary: float) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise RefusedError("a complex number of other things than two floats")
    return complex(real, imaginary)


_BUILTINS = {
    "set": partial(_make_set, set),
    "frozenset": partial(_make_set, frozenset),
    "bytes": partial(_make_bytes, bytes),
    "bytearray": partial(_make_bytes, bytearray),
    "complex": _complex,
}
_NUMPY = {
    ("multiarray", "_reconstruct"): Allowed(_reconstruct),
    ("multiarray", "scalar"): Allowed(_scalar),
    ("numeric", "_frombuffer"): Allowed(array_from_bytes),
}
ALLOWED: Mapping[tuple[str, str], Allowed] = {
    **{(f"numpy.{core}.{module}", name): value for core in ("core", "_core") for (module, name), value in _NUMPY.items()},
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Allowed(PickledDType),
    ("_codecs", "encode"): Allowed(_BUILTINS["bytes"]),  # so Python 2 and old protocols pickle bytes
    ("collections", "OrderedDict"): Allowed(_ordered_dict),
    **{(module, name): Allowed(call) for module in ("builtins", "__builtin__") for name, call in _BUILTINS.items()},
}
