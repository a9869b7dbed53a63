"""Unpickling what strangers wrote: nothing that a pickle says is executed, and memory is bounded by its size."""

import codecs
import io
import math
import pickle
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy._core import multiarray, numeric

# A read of more is checked against the end of the file.
PROMISED_BYTES = 1 << 20
# How many containers and references a pickle may make: so many, and one more for so many bytes of it.
MADE, BYTES_A_MADE = 10**6, 2
_KEYS = (str, bytes, int, float, complex, np.generic, type(None))


class RefusedError(pickle.UnpicklingError):
    """A pickle asks for something that is not allowed."""


class Allowed:
    """Something that a pickle may name; unlike a function or class of Python, BUILD cannot set its attributes."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable | None = None):
        object.__setattr__(self, "_call", call)

    def __call__(self, *args: Any) -> Any:
        """What it stands for, of these arguments."""
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
        if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?[a-zA-Z?]\d{0,9}", code):
            raise RefusedError("an array of records")
        self._code, self._order = code, "="

    def __setstate__(self, state: tuple) -> None:
        if any(part is not None for part in state[2:5]):
            raise RefusedError("an array of records")
        self._order = state[1]

    def real(self) -> np.dtype:
        dtype = np.dtype(self._code)
        if dtype.kind not in "biufcSUO" or not dtype.itemsize:
            raise RefusedError(f"an array of {dtype}")
        return dtype.newbyteorder(self._order)


class _Array(np.ndarray):
    """An array that takes its dtype from `_DType`."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, fortran, content = state
        dtype = dtype.real()
        if dtype.hasobject and (type(content) is not list or len(content) != _num_items(shape)):
            raise RefusedError("an array of other objects than its shape says")  # numpy would read beyond them
        super().__setstate__((version, shape, dtype, fortran, content))


def _num_items(shape: Any) -> int:
    """How many items an array of `shape` has."""
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise RefusedError("an array of a shape that is none")
    return math.prod(shape)


def _numbers(dtype: Any) -> np.dtype:
    """The dtype of `_DType`, which is not that of objects."""
    if (real := dtype.real()).hasobject:
        raise RefusedError("objects made of bytes")
    return real


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as Python 2 and old protocols pickle them: text in latin1, and no other codec."""
    if encoding != "latin1":
        raise RefusedError(f"bytes in the encoding '{encoding}'")
    return codecs.encode(text, encoding)


_NDARRAY = Allowed()


def _reconstruct(subtype: type, shape: tuple, dtype: Any) -> np.ndarray:
    """An empty array, and of no other type, that the pickle then fills."""
    if subtype is not _NDARRAY:
        raise RefusedError("an array that is no numpy.ndarray")
    return multiarray._reconstruct(_Array, (0,), b"b")


def check_keys(keys: Iterable) -> None:
    """Nothing but plain values has a hash here: that of nested tuples may take for ever, or more stack than there is."""
    if not all(isinstance(key, _KEYS) for key in keys):
        raise RefusedError("a dict or set with other keys than texts and numbers")


def _ordered(pairs: Any = ()) -> OrderedDict:
    """An OrderedDict of key and value, as Python 2 pickles it."""
    if not isinstance(pairs, list | tuple) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise RefusedError("an OrderedDict of other things than keys and values")
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _set_of(kind: type) -> Callable:
    """A set of the items of a list, as protocols before 4 pickle it."""

    def make(items: Any = ()) -> Any:
        check_keys(items if isinstance(items, list | tuple) else (items,))
        return kind(items)

    return make


def _bytes_of(kind: type) -> Callable:
    """Bytes of text in latin1, and not as many as a number says."""

    def make(text: Any = "", encoding: str = "latin1") -> Any:
        if isinstance(text, bytes):
            return kind(text)
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise RefusedError(f"{kind.__name__} of a {type(text).__name__}")
        return kind(text.encode("latin1"))

    return make


def _complex(real: float, imaginary: float) -> complex:
    return complex(float(real), float(imaginary))


_BUILTINS = {
    "set": _set_of(set),
    "frozenset": _set_of(frozenset),
    "bytes": _bytes_of(bytes),
    "bytearray": _bytes_of(bytearray),
    "complex": _complex,
}
_NUMPY = {
    ("multiarray", "_reconstruct"): Allowed(_reconstruct),
    ("multiarray", "scalar"): Allowed(lambda dtype, content: multiarray.scalar(_numbers(dtype), content)),
    ("numeric", "_frombuffer"): Allowed(
        lambda content, dtype, *shape_and_order: numeric._frombuffer(content, _numbers(dtype), *shape_and_order)
    ),
}
_ALLOWED = {
    **{(f"numpy.{core}.{module}", name): value for core in ("core", "_core") for (module, name), value in _NUMPY.items()},
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Allowed(_DType),
    ("_codecs", "encode"): Allowed(_encode),
    ("collections", "OrderedDict"): Allowed(_ordered),
    **{(module, name): Allowed(call) for module in ("builtins", "__builtin__") for name, call in _BUILTINS.items()},
}


class SafeUnpickler(pickle._Unpickler):
    """Builds numpy arrays and builtin containers. The pickle may come from Python 2.

    It finds what is allowed and refuses everything else, before it is imported; and it takes no more memory than some
    hundred times the size of the file. The library's unpickler in Python is used: that in C trusts the sizes that a pickle
    promises, and hashes what would overflow its stack. Arrays are as fast in both.
    """

    allowed: Mapping[tuple[str, str], Any] = _ALLOWED
    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding="latin1")
        start = file.tell()
        self._end = file.seek(0, io.SEEK_END)
        file.seek(start)
        self._file = file
        self._file_read = self._read_promised
        self._most_made = MADE + (self._end - start) // BYTES_A_MADE
        self._made = 0

    def find_class(self, module: str, name: str) -> Any:
        """The allowed object `module.name`."""
        try:
            return self.allowed[module, name]
        except KeyError:
            raise RefusedError(f"the class {module}.{name}".encode("unicode_escape").decode()) from None

    def _read_promised(self, size: int) -> bytes:
        """The next bytes; more than there are is no reason to make room for them."""
        if size > PROMISED_BYTES and size > self._end - self._file.tell():
            raise EOFError(f"{size} bytes are promised, there are fewer")
        return self._file.read(size)

    def _load_bytearray(self) -> None:
        self.append(bytearray(self.read(struct.unpack("<Q", self.read(8))[0])))

    def _load_long4(self) -> None:
        raise RefusedError("an integer of thousands of digits")

    def _load_setitem(self) -> None:
        check_keys(self.stack[-2:-1])
        self._set_items([self.stack.pop(-2), self.stack.pop()])

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        check_keys(items[::2])
        self._set_items(items)

    def _set_items(self, items: list) -> None:
        """Set key, value, key, value, ... in the dict on the stack."""
        target = self.stack[-1]
        for i in range(0, len(items), 2):
            target[items[i]] = items[i + 1]

    def _load_dict(self) -> None:
        items = self.pop_mark()
        check_keys(items[::2])
        self.append(dict(zip(items[::2], items[1::2], strict=True)))

    def _load_additems(self) -> None:
        items = self.pop_mark()
        check_keys(items)
        self.stack[-1].update(items)

    def _load_frozenset(self) -> None:
        items = self.pop_mark()
        check_keys(items)
        self.append(frozenset(items))


def _weighed(load: Callable, weight: int) -> Callable:
    """What an opcode does, which makes something that takes memory."""

    def weighed(unpickler: SafeUnpickler) -> None:
        unpickler._made += weight
        if unpickler._made > unpickler._most_made:
            raise RefusedError("more containers than a file of its size has")
        load(unpickler)

    return weighed


SafeUnpickler.dispatch |= {
    pickle.BYTEARRAY8[0]: SafeUnpickler._load_bytearray,
    pickle.LONG4[0]: SafeUnpickler._load_long4,
    pickle.SETITEM[0]: SafeUnpickler._load_setitem,
    pickle.SETITEMS[0]: SafeUnpickler._load_setitems,
    pickle.DICT[0]: SafeUnpickler._load_dict,
    pickle.ADDITEMS[0]: SafeUnpickler._load_additems,
    pickle.FROZENSET[0]: SafeUnpickler._load_frozenset,
}
# What makes an object that takes memory, in units of about 64 bytes.
_WEIGHTS = {
    **dict.fromkeys((pickle.EMPTY_LIST, pickle.LIST, pickle.EMPTY_DICT, pickle.DICT, pickle.MARK), 1),
    **dict.fromkeys((pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3), 1),
    **dict.fromkeys((pickle.MEMOIZE, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT), 1),
    **dict.fromkeys((pickle.REDUCE, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.OBJ, pickle.INST, pickle.BUILD), 2),
    **dict.fromkeys((pickle.EMPTY_SET, pickle.FROZENSET), 4),
}
SafeUnpickler.dispatch |= {code[0]: _weighed(SafeUnpickler.dispatch[code[0]], weight) for code, weight in _WEIGHTS.items()}
