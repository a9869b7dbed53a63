"""Unpickling what strangers wrote: nothing that a pickle says is executed."""

import codecs
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy._core import multiarray, numeric

KEPT_BYTES = 1024


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
        raise RefusedError(f"an array of type {subtype!r}")
    return multiarray._reconstruct(_Array, (0,), b"b")


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
    ("collections", "OrderedDict"): OrderedDict,
    **{
        (builtins, kind.__name__): kind
        for builtins in ("builtins", "__builtin__")
        for kind in (dict, list, tuple, set, frozenset, bytes, bytearray, str, int, float, complex, bool)
    },
}


class _Restricted:
    """Finds what is allowed and refuses everything else, before it is imported."""

    allowed: Mapping[tuple[str, str], Any] = _ALLOWED

    def find_class(self, module: str, name: str) -> Any:
        """The allowed object `module.name`."""
        try:
            return self.allowed[module, name]
        except KeyError:
            raise RefusedError(f"the class {module}.{name}".encode("unicode_escape").decode()) from None


class SafeUnpickler(_Restricted, pickle.Unpickler):
    """Builds numpy arrays and builtin containers. The pickle may come from Python 2."""

    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding="latin1")


class UnstreamableError(Exception):
    """A pickle is not one dict, or its items share arrays: it has to be read whole."""


_FORGOTTEN = object()


class _Memo(dict):
    """What a pickle may refer to again, without the arrays and texts of the items that are done."""

    def __init__(self):
        self.recent: list[int] = []

    def __setitem__(self, key: int, value: Any) -> None:
        self.recent.append(key)
        super().__setitem__(key, value)

    def forget(self) -> None:
        """Let go of what is large or holds others."""
        for key in self.recent:
            if _size(self[key]) > KEPT_BYTES:
                super().__setitem__(key, _FORGOTTEN)
        self.recent.clear()


def _size(value: Any) -> float:
    """Bytes that `value` holds, about."""
    if isinstance(value, list | tuple):
        return np.inf
    if isinstance(value, np.ndarray):
        return value.nbytes
    return len(value) if isinstance(value, bytes | str) else 0


class StreamingUnpickler(_Restricted, pickle._Unpickler):
    """Hands the items of a pickled dict to `sink`, one by one as they are read, so that the dict is never whole in memory.

    The library's unpickler in Python is used, since the one in C cannot be interrupted; arrays are as fast in both.
    """

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO, sink: Callable[[Any, Any], None]):
        super().__init__(file, encoding="latin1")
        self.sink = sink
        self.memo = _Memo()
        self.outer: dict | None = None

    def load(self) -> None:
        """Read it all.

        Raises:
            UnstreamableError: what was handed over is not the whole truth.
        """
        content = super().load()
        if isinstance(content, np.ndarray) and content.ndim == 0:  # as numpy saves a dict
            content = content.item()
        if content is not self.outer or content is None:
            raise UnstreamableError

    def _emit(self, key: Any, value: Any) -> None:
        self.sink(key, value)
        self.memo.forget()

    def _opened(self) -> None:
        if self.outer is None:
            self.outer = self.stack[-1]

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        if self.stack[-1] is self.outer:
            self._emit(key, value)
        else:
            self.stack[-1][key] = value

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        target = self.stack[-1]
        for i in range(0, len(items), 2):
            if target is self.outer:
                self._emit(items[i], items[i + 1])
            else:
                target[items[i]] = items[i + 1]

    def _next_key(self) -> None:
        """A text behind a key and a whole value is the next key: items are set by the thousand, often too many to hold."""
        if len(self.stack) != 3 or not self.metastack or not self.metastack[-1] or not isinstance(self.stack[2], str):
            return
        key, value, _ = self.stack
        whole = isinstance(value, np.ndarray) or (isinstance(value, list) and value and not isinstance(value[-1], str))
        if whole and self.metastack[-1][-1] is self.outer:
            del self.stack[:2]
            self._emit(key, value)

    def _recalled(self) -> None:
        if self.stack[-1] is _FORGOTTEN:
            raise UnstreamableError
        self._next_key()


def _after(opcode: bytes, then: Callable) -> Callable:
    """What an opcode does, and then `then`."""
    load = pickle._Unpickler.dispatch[opcode[0]]

    def both(unpickler: StreamingUnpickler) -> None:
        load(unpickler)
        then(unpickler)

    return both


_TEXTS = (
    pickle.STRING,
    pickle.BINSTRING,
    pickle.SHORT_BINSTRING,
    pickle.UNICODE,
    pickle.BINUNICODE,
    pickle.SHORT_BINUNICODE,
    pickle.BINUNICODE8,
)
StreamingUnpickler.dispatch |= {
    pickle.SETITEM[0]: StreamingUnpickler._load_setitem,
    pickle.SETITEMS[0]: StreamingUnpickler._load_setitems,
    **{code[0]: _after(code, StreamingUnpickler._opened) for code in (pickle.DICT, pickle.EMPTY_DICT)},
    **{code[0]: _after(code, StreamingUnpickler._recalled) for code in (pickle.GET, pickle.BINGET, pickle.LONG_BINGET)},
    **{code[0]: _after(code, StreamingUnpickler._next_key) for code in _TEXTS},
}
