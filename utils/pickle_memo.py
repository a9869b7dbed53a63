"""The memo of an unpickler: which objects a pickle may refer to again, and which of them it has let go of."""

import itertools
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# Texts, bytes and arrays up to this size remain in the memo.
KEPT_BYTES = 1024
# How many levels of containers a checkpoint may have, and how many items a level.
MAX_DEPTH, MAX_ITEMS = 64, 10**5
# Stands in the memo for an object that is no longer there.
FORGOTTEN = object()


class RefusedError(pickle.UnpicklingError):
    """A pickle asks for something that is not allowed."""


class Placeholder:
    """An object that a pickle makes first and describes by a state later, once.

    Nothing is known of it until then. What `build` returns takes its place on the stack and in the memo.

    Attributes:
        copied: large content of the state that `build` has copied.
    """

    copied: bytes | bytearray | str | None = None

    def __init__(self) -> None:
        self.memo_keys: list[int] = []
        self.is_built = False

    def build(self, state: Any) -> Any:
        """Return the object that `state` describes."""
        raise NotImplementedError


class Memo(dict[int, Any]):
    """The objects that a pickle has numbered, as far as it may refer to them again."""

    def __init__(self) -> None:
        super().__init__()
        self._recent: list[int] = []  # keys since `forget`
        self._num_released = 0  # how many of them `release` has looked at

    def put(self, key: int, value: Any) -> None:
        """Give an object a number."""
        self._recent.append(key)
        if isinstance(value, Placeholder):
            value.memo_keys.append(key)
        self[key] = value

    def build(self, placeholder: Placeholder, state: Any) -> Any:
        """Return what a placeholder with this state becomes, and refer to that from now on.

        Raises:
            RefusedError: its state was set before.
        """
        if placeholder.is_built:
            raise RefusedError("an object whose state is set twice")
        placeholder.is_built = True
        value = placeholder.build(state)
        for key in placeholder.memo_keys:
            if self[key] is placeholder:
                self[key] = value
        if (content := placeholder.copied) is not None:
            self.release(content)
            placeholder.copied = None
        return value

    def release(self, content: bytes | bytearray | str) -> None:
        """Forget content that was copied, if it is large, and the tuples that hold it: picklers do not refer to it again."""
        if len(content) <= KEPT_BYTES:
            return
        for key in self._recent[self._num_released :]:
            value = self[key]
            if value is content or (type(value) is tuple and any(part is content for part in value)):
                self[key] = FORGOTTEN
        self._num_released = len(self._recent)

    def forget(self) -> None:
        """Forget all recent objects that are large or can still be changed."""
        for key in self._recent:
            if not _is_kept(self[key]):
                self[key] = FORGOTTEN
        self._recent.clear()
        self._num_released = 0


def _is_kept(value: Any) -> bool:
    """Return whether an object is small, and remains as it is."""
    if isinstance(value, np.ndarray):
        return value.nbytes <= KEPT_BYTES and not value.dtype.hasobject
    if isinstance(value, bytes | str):
        return len(value) <= KEPT_BYTES
    return not isinstance(value, list | tuple | dict | set | frozenset | bytearray | Placeholder)


def check_extent(value: Any) -> None:
    """Refuse containers that hold too much, counted each time they occur: few bytes can stand for any number of items.

    Raises:
        RefusedError: there are more than `MAX_DEPTH` levels, or `MAX_ITEMS` items in one.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = list(itertools.islice(itertools.chain.from_iterable(map(_parts, level)), MAX_ITEMS))
        if not level:
            return
        if len(level) == MAX_ITEMS:
            break
    raise RefusedError(f"containers of more than {MAX_DEPTH} levels or {MAX_ITEMS} items")


def _parts(value: Any) -> Iterable:
    """Return what is in a container."""
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
