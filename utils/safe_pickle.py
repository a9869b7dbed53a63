"""Safe unpickling of hostile files: no code in a pickle is executed, and its size bounds the memory that it takes."""

# ruff: noqa: D102 - the methods of opcodes are documented in `pickle` and `pickletools`

import io
import itertools
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np

from utils.pickle_globals import ALLOWED, Allowed, Placeholder, RefusedError, check_keys

PROMISED_BYTES = 1 << 20  # a read of more bytes is checked against the end of the file
MIN_OBJECTS, BYTES_PER_OBJECT = 10**6, 2  # a pickle may make so many containers and references, and one per so many bytes
KEPT_BYTES = 1024  # texts, bytes and arrays up to this size remain in the memo
MAX_CHECKPOINT_DEPTH, MAX_ITEMS = 64, 10**5  # levels of containers in a checkpoint, and items per level
USED_AGAIN = "the content of an array in another place"
FORGOTTEN = object()  # replaces an object of the memo that is no longer kept


class Memo(dict[int, Any]):
    """The objects that a pickle of `size` bytes has numbered, as far as it may refer to them again."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._copyable_bytes = 2 * size  # each byte of the file once, or twice if a text is made bytes, and those an array
        self._recent: list[int] = []  # keys since `forget`
        self._num_released = 0  # how many of them `release` has looked at

    def __setitem__(self, key: int, value: Any) -> None:
        self._recent.append(key)
        if isinstance(value, Placeholder):
            value.memo_keys.append(key)
        super().__setitem__(key, value)

    def build(self, placeholder: Placeholder, state: Any) -> Any:
        """Return the object that a placeholder and its state describe, and replace the placeholder by it."""
        if placeholder.is_built:
            raise RefusedError("an object whose state is set twice")
        placeholder.is_built = True
        value = placeholder.build(state)
        for key in placeholder.memo_keys:
            if self[key] is placeholder:
                super().__setitem__(key, value)
        for part in state if type(state) is tuple else ():
            self.release(part)
        return value

    def release(self, content: Any) -> None:
        """Forget large bytes or text that was copied, and the tuples that hold it: picklers do not refer to it again."""
        if not isinstance(content, bytes | bytearray | str) or len(content) <= KEPT_BYTES:
            return
        self._copyable_bytes -= len(content)
        if self._copyable_bytes < 0:
            raise RefusedError(USED_AGAIN)
        for key in self._recent[self._num_released :]:
            value = self[key]
            if value is content or (type(value) is tuple and any(item is content for item in value)):
                super().__setitem__(key, FORGOTTEN)
        self._num_released = len(self._recent)

    def forget(self) -> None:
        """Forget all recent objects that are large or can still be changed."""
        for key in self._recent:
            if not _is_small_constant(self[key]):
                super().__setitem__(key, FORGOTTEN)
        self._recent.clear()
        self._num_released = 0


def _is_small_constant(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.nbytes <= KEPT_BYTES and not value.dtype.hasobject
    if isinstance(value, bytes | str):
        return len(value) <= KEPT_BYTES
    return not isinstance(value, list | tuple | dict | set | frozenset | bytearray | Placeholder)


class SafeUnpickler(pickle._Unpickler):
    """An unpickler of numpy arrays and builtin containers, also of Python 2, that refuses everything else.

    It finds only the objects in `allowed`, and refuses others before they are imported. It takes at most about a hundred
    times the size of the file in memory. It extends the Python version of the standard unpickler, since the C version trusts
    the sizes that a pickle promises, and hashes objects that overflow its stack. Arrays are read equally fast by both.

    An opcode changes only objects of its type: lists, dicts, sets, and the state of a `Placeholder`, which is set once. No
    opcode changes an array. The methods have the names that they have in `pickle`.
    """

    allowed: Mapping[tuple[str, str], Any] = ALLOWED

    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding="latin1")
        start = file.tell()
        self._end = file.seek(0, io.SEEK_END)
        file.seek(start)
        self._file = file
        self._file_read = self._read_promised
        self._max_objects = MIN_OBJECTS + (self._end - start) // BYTES_PER_OBJECT
        self._num_objects = 0
        self.memo: Memo = Memo(self._end - start)

    def find_class(self, module: str, name: str) -> Any:
        """Return the allowed object `module.name`."""
        try:
            return self.allowed[module, name]
        except KeyError:
            raise RefusedError(f"the class {module}.{name}".encode("unicode_escape").decode()) from None

    def _read_promised(self, size: int) -> bytes:
        """Read the next bytes, without making room for more than the file has."""
        if size > PROMISED_BYTES and size > self._end - self._file.tell():
            raise EOFError(f"{size} bytes are promised, there are fewer")
        return self._file.read(size)

    def load_bytearray8(self) -> None:
        self.append(bytearray(self.read(struct.unpack("<Q", self.read(8))[0])))

    def load_long4(self) -> None:
        raise RefusedError("an integer of thousands of digits")

    def load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        if type(function) is not Allowed or type(args) is not tuple:
            raise RefusedError("a call of something that is not a function")
        self.stack[-1] = function.call(*args)
        for part in args:  # the call has copied it
            self.memo.release(part)

    load_newobj = load_reduce  # a class is called like a function

    def _instantiate(self, klass: Any, args: list) -> None:
        self.stack += [klass, tuple(args)]
        self.load_reduce()

    def load_newobj_ex(self) -> None:
        raise RefusedError("an object made with keywords")

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Placeholder):
            self.stack[-1] = self.memo.build(target, state)
        elif not isinstance(target, OrderedDict):  # whose attributes, such as torch's `_metadata`, are not needed
            raise RefusedError("a state for something that has none")

    def get_extension(self, code: int) -> None:
        """Refuse a class by its number: another library may have registered any."""
        raise RefusedError(f"an extension (code {code})")

    def load_readonly_buffer(self) -> None:
        raise RefusedError("a view of a buffer")

    def load_get(self) -> None:
        self._recall(int(self.readline()[:-1]))

    def load_binget(self) -> None:
        self._recall(self.read(1)[0])

    def load_long_binget(self) -> None:
        self._recall(struct.unpack("<I", self.read(4))[0])

    def _recall(self, key: int) -> None:
        """Push an object of the memo."""
        value = self.memo[key]
        if value is FORGOTTEN:
            raise RefusedError(USED_AGAIN)
        self.append(value)

    def load_append(self) -> None:
        self._extend([self.stack.pop()])

    def load_appends(self) -> None:
        self._extend(self.pop_mark())

    def _extend(self, items: list) -> None:
        """Append items to the list on the stack."""
        if type(self.stack[-1]) is not list:
            raise RefusedError("items for something that is not a list")
        self.stack[-1].extend(items)

    def load_setitem(self) -> None:
        self._set_items([self.stack.pop(-2), self.stack.pop()])

    def load_setitems(self) -> None:
        self._set_items(self.pop_mark())

    def _set_items(self, items: list) -> None:
        """Set key, value, key, value, ... in the dict on the stack."""
        check_keys(items[::2])
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise RefusedError("keys for something that is not a dict")
        for i in range(0, len(items), 2):
            target[items[i]] = items[i + 1]

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        check_keys(items)
        if type(self.stack[-1]) is not set:
            raise RefusedError("members for something that is not a set")
        self.stack[-1].update(items)

    def load_frozenset(self) -> None:
        check_keys(self.stack)
        super().load_frozenset()


# The memory that the object of an opcode takes, in units of about 64 bytes.
_SIZES = {
    **dict.fromkeys((pickle.EMPTY_LIST, pickle.LIST, pickle.EMPTY_DICT, pickle.DICT, pickle.MARK), 1),
    **dict.fromkeys((pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3), 1),
    **dict.fromkeys((pickle.MEMOIZE, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT), 1),
    **dict.fromkeys((pickle.REDUCE, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.OBJ, pickle.INST, pickle.BUILD), 2),
    **dict.fromkeys((pickle.EMPTY_SET, pickle.FROZENSET), 4),
}


def _counted(load: Callable[[SafeUnpickler], None], size: int) -> Callable[[SafeUnpickler], None]:
    """Return the function of an opcode, which first counts the object that it makes."""

    def counted(unpickler: SafeUnpickler) -> None:
        unpickler._num_objects += size
        if unpickler._num_objects > unpickler._max_objects:
            raise RefusedError("more containers than a file of its size has")
        load(unpickler)

    return counted


# `pickle` finds the function of an opcode in this table, and not by its name.
SafeUnpickler.dispatch = {code: getattr(SafeUnpickler, load.__name__) for code, load in pickle._Unpickler.dispatch.items()}
SafeUnpickler.dispatch |= {code[0]: _counted(SafeUnpickler.dispatch[code[0]], size) for code, size in _SIZES.items()}


def check_extent(value: Any) -> None:
    """Refuse containers of more than `MAX_CHECKPOINT_DEPTH` levels or `MAX_ITEMS` items per level.

    Items are counted each time they occur: a few bytes can describe any number of them.
    """
    level = [value]
    for _ in range(MAX_CHECKPOINT_DEPTH):
        level = list(itertools.islice(itertools.chain.from_iterable(map(_values_in, level)), MAX_ITEMS))
        if not level:
            return
        if len(level) == MAX_ITEMS:
            break
    raise RefusedError(f"containers of more than {MAX_CHECKPOINT_DEPTH} levels or {MAX_ITEMS} items")


def _values_in(value: Any) -> Iterable:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
