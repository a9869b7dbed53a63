"""Files as the Python and numpy of 2019 wrote them, which those of today no longer can."""

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


class Python3Pickler(pickle._Pickler):
    """Python 3 with numpy 1: numpy's functions are in `numpy.core`, and what is true of a dtype is a number."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_global(self, obj, name=None):
        module, name = obj.__module__.replace("numpy._core", "numpy.core"), name or obj.__qualname__
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    dispatch[type] = save_global

    def save_reduce(self, func, args, *rest, **keywords):
        if func is np.dtype:
            args = (args[0], 0, 1)
        super().save_reduce(func, args, *rest, **keywords)


class Python2Pickler(Python3Pickler):
    """Python 2: texts and the contents of arrays alike are byte strings, texts in latin1; protocols 0 to 2."""

    dispatch = Python3Pickler.dispatch.copy()

    def save_str(self, text):
        self.save_bytes(text.encode("latin1"), text)

    def save_bytes(self, content, obj=None):
        if self.proto == 0:
            self.write(pickle.STRING + repr(content)[1:].encode() + b"\n")
        elif len(content) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(content)]) + content)
        else:
            self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)
        self.memoize(content if obj is None else obj)

    dispatch[str] = save_str
    dispatch[bytes] = save_bytes


def pickler(file: BinaryIO, protocol: int, python: int) -> pickle._Pickler:
    """What Python 2 or 3 would pickle with."""
    return (Python2Pickler if python == 2 else Python3Pickler)(file, protocol)


def write_pickle(path: Path, content: Any, protocol: int, python: int) -> None:
    """`content` as Python 2 or 3 pickles it."""
    with path.open("wb") as file:
        pickler(file, protocol, python).dump(content)


def write_npy(path: Path, content: Any, python: int = 3) -> None:
    """An array as `np.save` writes it; a dict becomes a 0-d array of one object."""
    array = content if isinstance(content, np.ndarray) else np.array(content, dtype=object)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        if array.dtype.hasobject:
            pickler(file, 2 if python == 2 else 3, python).dump(array)
        else:
            file.write(array.tobytes())
