"""Checks of checkpoints of the current format, which may be hostile, before torch reads them.

A file is a zip of uncompressed records, one of which is a pickle. Torch executes nothing of it, but it unpacks records of
any size, and hashes objects that overflow the stack of the interpreter.
"""

import zipfile
from pathlib import Path
from typing import Any

import torch

from utils.pickle_globals import Allowed, RefusedError
from utils.safe_pickle import SafeUnpickler, check_extent


class _Tensor:
    """A placeholder for a tensor or a storage, without content."""

    def __init__(self, *args: Any):
        pass


def _counter(counts: Any) -> _Tensor:
    """Return a placeholder for a `collections.Counter`, in which MultiStepLR stores its milestones.

    Later opcodes cannot change a placeholder, so that what is checked here remains true.

    Raises:
        RefusedError: other keys or values than whole numbers.
    """
    if type(counts) is not dict or not all(type(x) is int for item in counts.items() for x in item):
        raise RefusedError("a collections.Counter of other things than whole numbers")
    return _Tensor()


_TENSOR = Allowed(_Tensor)
# The types in the description of a storage.
_STORAGE_TYPES = [str, Allowed, str, str, int]
CHUNK_BYTES = 1 << 20


class _Unpickler(SafeUnpickler):
    """An unpickler of a checkpoint without its tensors."""

    allowed = {
        **SafeUnpickler.allowed,
        ("torch._utils", "_rebuild_tensor_v2"): _TENSOR,
        ("torch._utils", "_rebuild_parameter"): _TENSOR,
        ("collections", "Counter"): Allowed(_counter),
        **{("torch", storage.__name__): _TENSOR for storage in torch._storage_classes},
    }

    def persistent_load(self, description: Any) -> Any:
        """Return a placeholder for a storage: ("storage", type, key, location, number of elements)."""
        if type(description) is not tuple or [type(part) for part in description] != _STORAGE_TYPES:
            raise RefusedError("a storage with another description than texts and a number")  # torch hashes them
        return _Tensor()


def check(path: Path) -> None:
    """Check the objects in a checkpoint, and the checksum of each record, which torch ignores.

    Raises:
        RefusedError: other objects than tensors, containers and plain values, or compressed records.
        BadZipFile: a record is damaged.
        Exception: any other error of a decoder in a damaged file.
    """
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise RefusedError("compressed records")
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
