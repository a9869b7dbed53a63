"""Reading pickled dicts item by item: feature files of the 2019 release are larger than memory."""

import contextlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from data_loader.readers.expert_store import EXPERT_STORE, PickledExpertStore
from utils.pickle_globals import ALLOWED, check_keys
from utils.safe_pickle import FORGOTTEN, SafeUnpickler


class UnstreamableError(Exception):
    """A pickle is not one dict, or its items share arrays: it has to be read as a whole."""


class FeatureUnpickler(SafeUnpickler):
    """An unpickler that also reads an `ExpertStore`, as a dict."""

    allowed = {**ALLOWED, **EXPERT_STORE}


def load(file: BinaryIO) -> Any:
    """Return the object in a pickle, or in the 0-d array as which numpy saves it, and close the file."""
    with contextlib.closing(file):
        return _unwrapped(FeatureUnpickler(file).load())


def _unwrapped(content: Any) -> Any:
    return content.item() if isinstance(content, np.ndarray) and content.ndim == 0 else content


class StreamingUnpickler(FeatureUnpickler):
    """An unpickler of one dict that gives away its items one by one, and never holds all of them."""

    dispatch = dict(SafeUnpickler.dispatch)

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self._dict: dict | None = None  # the dict whose items are yielded
        self._ready: list[tuple[Any, Any]] = []
        # The part of the stack whose first items were yielded before the opcode that sets them.
        self._partly_yielded: list | None = None

    def iter_items(self) -> Iterator[tuple[Any, Any]]:
        """Yield the items of the dict, each as soon as it is read, and close the file.

        Raises:
            UnstreamableError: the items that were yielded are not all of the content.
        """
        # As `load` in `pickle` begins.
        self._unframer = pickle._Unframer(self._file_read, self._file_readline)
        self.read, self.readinto, self.readline = self._unframer.read, self._unframer.readinto, self._unframer.readline
        self.metastack, self.stack = [], []
        self.append = self.stack.append
        read, dispatch, ready = self.read, self.dispatch, self._ready  # in a loop over millions of opcodes
        try:
            while opcode := read(1):
                dispatch[opcode[0]](self)
                if ready:
                    yield from ready
                    ready.clear()
            raise EOFError
        except pickle._Stop as stop:
            content = _unwrapped(stop.value)
        finally:
            self._file.close()
        if content is not self._dict or content is None or self._partly_yielded is not None:
            raise UnstreamableError

    def _yield_item(self, key: Any, value: Any) -> None:
        self._ready.append((key, value))
        self.memo.forget()

    def _dict_opened(self) -> None:
        if self._dict is None:
            if any(isinstance(x, PickledExpertStore) for x in self.stack):  # the dict is its state
                raise UnstreamableError
            self._dict = self.stack[-1]
            self.memo.forget()  # an older object that becomes an item could be changed below the dict on the stack
            if self._dict:
                raise UnstreamableError

    def _set_items(self, items: list) -> None:
        if self.stack[-1] is self._dict:
            if items is self._partly_yielded:
                self._partly_yielded = None
            for i in range(0, len(items), 2):
                self._yield_item(items[i], items[i + 1])
        else:
            super()._set_items(items)

    def _text_read(self) -> None:
        """Yield the item below a text on the stack, if that text is the next key.

        A pickle sets the items of a dict by the thousand, which are often too many to hold.
        """
        if len(self.stack) != 3 or not self.metastack or not self.metastack[-1] or not isinstance(self.stack[2], str):
            return
        key, value, _ = self.stack
        complete = isinstance(value, np.ndarray) or (isinstance(value, list) and value and not isinstance(value[-1], str))
        if complete and self.metastack[-1][-1] is self._dict:
            del self.stack[:2]
            check_keys([key])
            if self._partly_yielded is not None and self._partly_yielded is not self.stack:
                raise UnstreamableError
            self._partly_yielded = self.stack
            self._yield_item(key, value)

    def _recall(self, key: int) -> None:
        value = self.memo[key]
        if value is FORGOTTEN or value is self._dict:
            raise UnstreamableError
        self.append(value)
        self._text_read()

    def _duplicated(self) -> None:
        if self.stack[-1] is self._dict:
            raise UnstreamableError


def _followed_by(opcode: bytes, action: Callable[[StreamingUnpickler], None]) -> Callable[[StreamingUnpickler], None]:
    """Return the function of an opcode, followed by `action`."""
    load = SafeUnpickler.dispatch[opcode[0]]

    def both(unpickler: StreamingUnpickler) -> None:
        load(unpickler)
        action(unpickler)

    return both


_TEXT_OPCODES = (
    *(pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING),
    *(pickle.UNICODE, pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8),
)
_ACTIONS = {
    **dict.fromkeys((pickle.DICT, pickle.EMPTY_DICT), StreamingUnpickler._dict_opened),
    **dict.fromkeys(_TEXT_OPCODES, StreamingUnpickler._text_read),
    pickle.DUP: StreamingUnpickler._duplicated,
}
StreamingUnpickler.dispatch |= {opcode[0]: _followed_by(opcode, action) for opcode, action in _ACTIONS.items()}
