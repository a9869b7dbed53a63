"""Writing files as the Python and numpy of 2019 did, which today's cannot."""

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


class Python3Pickler(pickle._Pickler):
    """A pickler as in Python 3 with numpy 1: numpy's functions are in `numpy.core`, and flags of a dtype are numbers."""

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
    """A pickler as in Python 2: text, in latin1, and the content of arrays are byte strings; protocols 0 to 2."""

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
    """Return a pickler as in Python 2 or 3."""
    return (Python2Pickler if python == 2 else Python3Pickler)(file, protocol)


def write_pickle(path: Path, content: Any, protocol: int, python: int) -> None:
    """Write `content` as Python 2 or 3 pickled it."""
    with path.open("wb") as file:
        pickler(file, protocol, python).dump(content)


def write_npy(path: Path, content: Any, python: int = 3) -> None:
    """Write an array as `np.save` does; a dict becomes a 0-d array of one object."""
    array = content if isinstance(content, np.ndarray) else np.array(content, dtype=object)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        if array.dtype.hasobject:
            pickler(file, 2 if python == 2 else 3, python).dump(array)
        else:
            file.write(array.tobytes())
