"""Checkpoints of today's format from strangers: looked at before torch reads them.

A zip of records as they are, one of which is a pickle. Torch executes nothing of it either, but unpacks records of any size,
and hashes what overflows the stack of the interpreter.
"""

import zipfile
from pathlib import Path
from typing import Any

import torch

from utils.pickle_globals import Allowed, RefusedError
from utils.safe_pickle import SafeUnpickler, check_extent


class _Tensor:
    """Stands for a tensor or a storage: whatever it is made of, and without content."""

    def __init__(self, *args: Any):
        pass


def _counter(counts: Any) -> _Tensor:
    """Return a placeholder for the `collections.Counter` of epochs that MultiStepLR keeps its milestones in.

    It is opaque, so that no later opcode can change what was checked here.

    Raises:
        RefusedError: other keys or values than whole numbers.
    """
    if type(counts) is not dict or not all(type(x) is int for item in counts.items() for x in item):
        raise RefusedError("a collections.Counter of other things than whole numbers")
    return _Tensor()


_MADE = Allowed(_Tensor)
# The types of what describes a storage.
_STORAGE = [str, Allowed, str, str, int]
CHUNK_BYTES = 1 << 20


class _Unpickler(SafeUnpickler):
    """Reads a checkpoint without its tensors."""

    allowed = {
        **SafeUnpickler.allowed,
        ("torch._utils", "_rebuild_tensor_v2"): _MADE,
        ("torch._utils", "_rebuild_parameter"): _MADE,
        ("collections", "Counter"): Allowed(_counter),
        **{("torch", storage.__name__): _MADE for storage in torch._storage_classes},
    }

    def persistent_load(self, description: Any) -> Any:
        """Stands for a storage: ("storage", type, key, location, number of elements)."""
        if type(description) is not tuple or [type(part) for part in description] != _STORAGE:
            raise RefusedError("a storage with another description than texts and a number")  # torch hashes them
        return _Tensor()


def check(path: Path) -> None:
    """Look through a checkpoint, and compare each record with the sum that was written with it: torch does not.

    Raises:
        RefusedError: it holds other things than tensors, containers and plain values, or is packed.
        BadZipFile: a record is not what was written.
        Exception: whatever else goes wrong in a damaged file.
    """
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise RefusedError("packed records")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise RefusedError("records that overlap")
        for entry in entries:
            if entry.filename.rpartition("/")[2] == "data.pkl":
                with file.open(entry) as content:
                    check_extent(_Unpickler(content).load())
        for entry in entries:
            with file.open(entry) as content:
                while content.read(CHUNK_BYTES):
                    pass
