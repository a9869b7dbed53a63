"""Unpickling what strangers wrote: nothing that a pickle says is executed, and memory is bounded by its size."""

import codecs
import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np

from utils.pickle_memo import FORGOTTEN, Memo, Placeholder, RefusedError
from utils.pickled_arrays import PickledArray, PickledDType, array_from_bytes, scalar

# A read of more is checked against the end of the file.
PROMISED_BYTES = 1 << 20
# How many containers and references a pickle may make: so many, and one more for so many bytes of it.
MADE, BYTES_A_MADE = 10**6, 2
# What is copied where it is an argument.
_CONTENTS = (bytes, bytearray, str)
_KEYS = (str, bytes, int, float, complex, np.generic, type(None))


def _refuse_call(*args: Any) -> None:
    raise RefusedError("an array made by a call")


class Allowed:
    """Something that a pickle may name, and call if it stands for a function."""

    __slots__ = ("call",)

    def __init__(self, call: Callable | None = None):
        self.call = call or _refuse_call


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as Python 2 and old protocols pickle them: text in latin1, and no other codec."""
    if type(text) is not str or type(encoding) is not str or encoding != "latin1":
        raise RefusedError("bytes of something else than a text in latin1")
    return codecs.encode(text, encoding)


_NDARRAY = Allowed()


def _reconstruct(subtype: Any, shape: Any, dtype: Any) -> PickledArray:
    """Return a placeholder for an array, which must be of no other type."""
    if subtype is not _NDARRAY:
        raise RefusedError("an array that is no numpy.ndarray")
    return PickledArray()


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
    if type(real) is not float or type(imaginary) is not float:
        raise RefusedError("a complex number of other things than two floats")
    return complex(real, imaginary)


_BUILTINS = {
    "set": _set_of(set),
    "frozenset": _set_of(frozenset),
    "bytes": _bytes_of(bytes),
    "bytearray": _bytes_of(bytearray),
    "complex": _complex,
}
_NUMPY = {
    ("multiarray", "_reconstruct"): Allowed(_reconstruct),
    ("multiarray", "scalar"): Allowed(scalar),
    ("numeric", "_frombuffer"): Allowed(array_from_bytes),
}
_ALLOWED = {
    **{(f"numpy.{core}.{module}", name): value for core in ("core", "_core") for (module, name), value in _NUMPY.items()},
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Allowed(PickledDType),
    ("_codecs", "encode"): Allowed(_encode),
    ("collections", "OrderedDict"): Allowed(_ordered),
    **{(module, name): Allowed(call) for module in ("builtins", "__builtin__") for name, call in _BUILTINS.items()},
}


class SafeUnpickler(pickle._Unpickler):
    """Builds numpy arrays and builtin containers. The pickle may come from Python 2.

    It finds what is allowed and refuses everything else, before it is imported; and it takes no more memory than some
    hundred times the size of the file. The library's unpickler in Python is used: that in C trusts the sizes that a pickle
    promises, and hashes what would overflow its stack. Arrays are as fast in both.

    An opcode changes only what it is for: lists, dicts, sets, and the state of a `Placeholder`, which is set once. In
    particular no opcode changes an array.
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
        self.memo: Memo = Memo()

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

    def _load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        if type(function) is not Allowed or type(args) is not tuple:
            raise RefusedError("a call of something that is not a function")
        self.stack[-1] = function.call(*args)
        if args and isinstance(args[0], _CONTENTS):
            self.memo.release(args[0])

    def _instantiate(self, klass: Any, args: list) -> None:
        """Push the object that INST or OBJ make."""
        self.stack += [klass, tuple(args)]
        self._load_reduce()

    def _load_newobj_ex(self) -> None:
        raise RefusedError("an object made with keywords")

    def _load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Placeholder):
            self.stack[-1] = self.memo.build(target, state)
        elif not isinstance(target, OrderedDict):  # whose attributes, such as torch's `_metadata`, are not needed
            raise RefusedError("a state for something that has none")

    def get_extension(self, code: int) -> None:
        """Refuse a class by its number: another library may have registered any."""
        raise RefusedError(f"an extension (code {code})")

    def _load_readonly_buffer(self) -> None:
        raise RefusedError("a view of a buffer")

    def _load_memoize(self) -> None:
        self.memo.put(len(self.memo), self.stack[-1])

    def _load_put(self) -> None:
        self.memo.put(int(self.readline()[:-1]), self.stack[-1])

    def _load_binput(self) -> None:
        self.memo.put(self.read(1)[0], self.stack[-1])

    def _load_long_binput(self) -> None:
        self.memo.put(struct.unpack("<I", self.read(4))[0], self.stack[-1])

    def _load_get(self) -> None:
        self._recall(int(self.readline()[:-1]))

    def _load_binget(self) -> None:
        self._recall(self.read(1)[0])

    def _load_long_binget(self) -> None:
        self._recall(struct.unpack("<I", self.read(4))[0])

    def _recall(self, key: int) -> None:
        """Push an object of the memo."""
        value = self.memo[key]
        if value is FORGOTTEN:
            raise RefusedError("the content of an array in another place")
        self.append(value)

    def _load_append(self) -> None:
        item = self.stack.pop()
        if type(self.stack[-1]) is not list:
            raise RefusedError("items for something that is not a list")
        self.stack[-1].append(item)

    def _load_appends(self) -> None:
        items = self.pop_mark()
        if type(self.stack[-1]) is not list:
            raise RefusedError("items for something that is not a list")
        self.stack[-1].extend(items)

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
        if not isinstance(target, dict):
            raise RefusedError("keys for something that is not a dict")
        for i in range(0, len(items), 2):
            target[items[i]] = items[i + 1]

    def _load_dict(self) -> None:
        items = self.pop_mark()
        check_keys(items[::2])
        self.append(dict(zip(items[::2], items[1::2], strict=True)))

    def _load_additems(self) -> None:
        items = self.pop_mark()
        check_keys(items)
        if type(self.stack[-1]) is not set:
            raise RefusedError("members for something that is not a set")
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
    pickle.REDUCE[0]: SafeUnpickler._load_reduce,
    pickle.NEWOBJ[0]: SafeUnpickler._load_reduce,  # a class is called like a function
    pickle.NEWOBJ_EX[0]: SafeUnpickler._load_newobj_ex,
    pickle.BUILD[0]: SafeUnpickler._load_build,
    pickle.READONLY_BUFFER[0]: SafeUnpickler._load_readonly_buffer,
    pickle.MEMOIZE[0]: SafeUnpickler._load_memoize,
    pickle.PUT[0]: SafeUnpickler._load_put,
    pickle.BINPUT[0]: SafeUnpickler._load_binput,
    pickle.LONG_BINPUT[0]: SafeUnpickler._load_long_binput,
    pickle.GET[0]: SafeUnpickler._load_get,
    pickle.BINGET[0]: SafeUnpickler._load_binget,
    pickle.LONG_BINGET[0]: SafeUnpickler._load_long_binget,
    pickle.APPEND[0]: SafeUnpickler._load_append,
    pickle.APPENDS[0]: SafeUnpickler._load_appends,
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
