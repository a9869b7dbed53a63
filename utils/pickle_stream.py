"""Unpickling a dict item by item."""

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from utils.pickle_memo import FORGOTTEN
from utils.safe_pickle import SafeUnpickler, check_keys


class UnstreamableError(Exception):
    """A pickle is not one dict, or its items share arrays: it has to be read whole."""


class StreamingUnpickler(SafeUnpickler):
    """Hands the items of a pickled dict to `sink`, one by one as they are read: it is never whole in memory."""

    dispatch = dict(SafeUnpickler.dispatch)

    def __init__(self, file: BinaryIO, sink: Callable[[Any, Any], None]):
        super().__init__(file)
        self.sink = sink
        self.outer: dict | None = None
        # The part of the stack from which items were handed over before the opcode that sets them.
        self._open_part: list | None = None

    def load(self) -> None:
        """Read it all.

        Raises:
            UnstreamableError: what was handed over is not the whole truth.
        """
        content = super().load()
        if isinstance(content, np.ndarray) and content.ndim == 0:  # as numpy saves a dict
            content = content.item()
        if content is not self.outer or content is None or self._open_part is not None:
            raise UnstreamableError

    def _emit(self, key: Any, value: Any) -> None:
        self.sink(key, value)
        self.memo.forget()

    def _opened(self) -> None:
        if self.outer is None:
            self.outer = self.stack[-1]
            self.memo.forget()  # an older object that becomes an item could be changed below the dict on the stack
            if self.outer:
                raise UnstreamableError

    def _set_items(self, items: list) -> None:
        if self.stack[-1] is self.outer:
            if items is self._open_part:
                self._open_part = None
            for i in range(0, len(items), 2):
                self._emit(items[i], items[i + 1])
        else:
            super()._set_items(items)

    def _next_key(self) -> None:
        """A text behind a key and a whole value is the next key: items are set by the thousand, often too many to hold."""
        if len(self.stack) != 3 or not self.metastack or not self.metastack[-1] or not isinstance(self.stack[2], str):
            return
        key, value, _ = self.stack
        whole = isinstance(value, np.ndarray) or (isinstance(value, list) and value and not isinstance(value[-1], str))
        if whole and self.metastack[-1][-1] is self.outer:
            del self.stack[:2]
            check_keys([key])
            if self._open_part is not None and self._open_part is not self.stack:
                raise UnstreamableError
            self._open_part = self.stack
            self._emit(key, value)

    def _recall(self, key: int) -> None:
        value = self.memo[key]
        if value is FORGOTTEN or value is self.outer:
            raise UnstreamableError
        self.append(value)
        self._next_key()

    def _duplicated(self) -> None:
        if self.stack[-1] is self.outer:
            raise UnstreamableError


def _after(opcode: bytes, then: Callable) -> Callable:
    """What an opcode does, and then `then`."""
    load = SafeUnpickler.dispatch[opcode[0]]

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
    **{code[0]: _after(code, StreamingUnpickler._opened) for code in (pickle.DICT, pickle.EMPTY_DICT)},
    pickle.DUP[0]: _after(pickle.DUP, StreamingUnpickler._duplicated),
    **{code[0]: _after(code, StreamingUnpickler._next_key) for code in _TEXTS},
}
