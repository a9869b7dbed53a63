"""Unpickling a dict item by item."""

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from utils.safe_pickle import SafeUnpickler, check_keys

KEPT_BYTES = 1024


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


class StreamingUnpickler(SafeUnpickler):
    """Hands the items of a pickled dict to `sink`, one by one as they are read: it is never whole in memory."""

    dispatch = dict(SafeUnpickler.dispatch)

    def __init__(self, file: BinaryIO, sink: Callable[[Any, Any], None]):
        super().__init__(file)
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

    def _set_items(self, items: list) -> None:
        if self.stack[-1] is self.outer:
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
            self._emit(key, value)

    def _recalled(self) -> None:
        if self.stack[-1] is _FORGOTTEN:
            raise UnstreamableError
        self._next_key()


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
    **{code[0]: _after(code, StreamingUnpickler._recalled) for code in (pickle.GET, pickle.BINGET, pickle.LONG_BINGET)},
    **{code[0]: _after(code, StreamingUnpickler._next_key) for code in _TEXTS},
}
