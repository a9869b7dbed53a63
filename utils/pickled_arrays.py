"""Arrays as pickles describe them, built once from bytes that they copy.

A pickle makes an array in two steps: a call returns an empty one, and a state then gives it shape, dtype and content. Here
a placeholder stands for the empty array, and its state is turned into a new array that owns its memory. No array uses the
memory of another object, and a pickle can neither change nor free what an array holds.
"""

import math
import re
from typing import Any

import numpy as np

from utils.pickle_memo import Placeholder, RefusedError

_CODE = re.compile(r"[<>=|]?[a-zA-Z?]\d{0,9}")


class PickledDType(Placeholder):
    """A dtype before its state: a code of one item. Its state adds the byte order, and nothing else is accepted.

    Args:
        code: `f4`, say.
        align, copy: as `numpy.dtype` takes them; without effect.
    """

    def __init__(self, code: str, align: bool = False, copy: bool = False):
        super().__init__()
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise RefusedError("an array of records")
        self._code = code

    def build(self, state: tuple) -> np.dtype:
        """Return the dtype with the byte order of `state`.

        Raises:
            RefusedError: it is a dtype of records, dates or items without size.
        """
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
        if version != 1:
            raise RefusedError("an array of an unknown version of numpy")
        if isinstance(dtype, np.dtype) and dtype.hasobject:
            return _array_from_list(content, shape)
        # A text is the byte string of Python 2.
        copied = content.encode("latin1") if type(content) is str else content
        array = array_from_bytes(copied, dtype, shape, "F" if fortran else "C")
        self.copied = content
        return array


def array_from_bytes(content: Any, dtype: Any, shape: Any, order: str = "C", axes: Any = None) -> np.ndarray:
    """Return an array in native byte order that owns a copy of `content`.

    Args:
        order: in which items lie in `content`: "C", "F", or "K" for the order of `axes`.
        axes: a permutation of the axes of `shape`, only for the order "K".

    Raises:
        RefusedError: `content` is neither bytes nor bytearray, or dtype, shape and order do not fit it.
    """
    if type(content) not in (bytes, bytearray):
        raise RefusedError(f"an array whose content is of type {type(content).__name__}")
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not dtype.itemsize:
        raise RefusedError("an array of bytes without a dtype of numbers or texts")
    if len(content) != _num_items(shape) * dtype.itemsize:
        raise RefusedError(f"an array of {len(content)} bytes, more or fewer than its shape says")
    if order not in ("C", "F", "K") or (order == "K") != (axes is not None):
        raise RefusedError("an array of items in an unknown order")
    if order == "K":
        items = np.ndarray(shape, dtype, content).transpose(axes)
    else:
        items = np.ndarray(shape, dtype, content, order=order)
    return items.copy("K") if dtype.isnative else items.astype(dtype.newbyteorder("="), order="K", copy=True)


def scalar(dtype: Any, content: Any) -> np.generic:
    """Return a number or text of numpy.

    Raises:
        RefusedError: dtype and content do not fit, as in `array_from_bytes`.
    """
    return array_from_bytes(content.encode("latin1") if type(content) is str else content, dtype, ())[()]


def _array_from_list(content: Any, shape: Any) -> np.ndarray:
    """Return an array of the objects in a list, which may change later without an effect on the array.

    The last axis changes fastest in the list, also where columns come first in the array that was pickled.
    """
    if type(content) is not list or len(content) != _num_items(shape):
        raise RefusedError("an array of other objects than its shape says")
    return np.fromiter(content, object, len(content)).reshape(shape).copy()


def _num_items(shape: Any) -> int:
    """Return how many items an array of `shape` has."""
    if type(shape) is not tuple:
        raise RefusedError("an array of an invalid shape")
    for n in shape:
        if type(n) is not int or n < 0:
            raise RefusedError("an array of an invalid shape")
    return math.prod(shape)
