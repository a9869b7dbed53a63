"""Reading checkpoints of the 2019 release, in the file format of torch before 1.6, without executing anything.

A file has five pickles (a magic number, a version, a description of the machine, the content, the keys of the storages) and
then each storage, as its number of elements and its bytes. The content refers to storages by key.

`torch.load(weights_only=True)` is not used: small files make it overflow the stack or never return, and it returns
uninitialized memory for a storage that is not in the list of keys.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from utils.errors import InputError
from utils.pickle_globals import Allowed, Placeholder, RefusedError
from utils.safe_pickle import SafeUnpickler, check_extent

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
DTYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


def is_legacy(path: Path) -> bool:
    """Return whether a file begins like those of torch before 1.6."""
    with path.open("rb") as file:
        try:
            magic = SafeUnpickler(file).load()
        except Exception:  # other kinds of files can fail anywhere
            return False
    return type(magic) is int and magic == MAGIC


def read_legacy(path: Path) -> dict[str, Any]:
    """Return a checkpoint of the 2019 release with the keys of the current format, on the CPU, and with `published` true.

    Raises:
        InputError: a damaged file, or one with other objects than a checkpoint of that release.
    """
    try:
        with path.open("rb") as file:
            content = _read(file)
        config = _config_of(content)
    except RefusedError as error:
        raise InputError(
            f"{path}: refused, it holds {error}; expected only what checkpoints of the 2019 release hold"
        ) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # a damaged file can fail anywhere inside the decoder
        raise InputError(f"{path}: damaged ({type(error).__name__}: {' '.join(str(error).split())})") from None
    return {
        "arch": content["arch"],
        "epoch": content["epoch"],
        "state_dict": content["state_dict"],
        "config": config,
        "config_file": f"config in {path}",
        "seed": config.get("seed", 0),
        "published": True,
    }


class _Record(Placeholder):
    """An object of a class of the release, without its code: its constructor's arguments or its attributes."""

    def __init__(self, *args: Any):
        super().__init__()
        self.state: Any = args

    def build(self, state: Any) -> Any:
        """Store the attributes."""
        self.state = state
        return self


class _ConfigParser(_Record):
    """`parse_config.ConfigParser`."""


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
_STORAGES = {name: Allowed() for name in DTYPES}
_DTYPE_OF = {storage: np.dtype(DTYPES[name]) for name, storage in _STORAGES.items()}


class _Unpickler(SafeUnpickler):
    """An unpickler of the content, with tensors as views of storages that are filled later.

    Args:
        size: the size of the file, which the storages may not exceed.
    """

    allowed = {
        **SafeUnpickler.allowed,
        ("torch._utils", "_rebuild_tensor_v2"): Allowed(
            lambda storage, offset, size, stride, *rest: torch.as_strided(storage, size, stride, offset)
        ),
        ("parse_config", "ConfigParser"): Allowed(_ConfigParser),
        ("argparse", "Namespace"): Allowed(_Record),
        **{("pathlib", name): Allowed(_Record) for name in _PATHS},
        **{("torch", name): storage for name, storage in _STORAGES.items()},
    }

    def __init__(self, file: BinaryIO, size: int):
        super().__init__(file)
        self.remaining_bytes = size
        self.storages: dict[str, np.ndarray] = {}

    def persistent_load(self, description: Any) -> torch.Tensor:
        """Return the storage of a description: ("storage", type, key, location, number of elements, None)."""
        kind, storage, key, _, count, view = description
        # To hash or print other objects may take forever, or overflow the stack.
        if type(kind) is not str or kind != "storage" or type(storage) is not Allowed or storage not in _DTYPE_OF:
            raise RefusedError("a reference to a module or something else that is not a storage")
        if type(key) is not str or type(count) is not int or view is not None:
            raise RefusedError("a reference to a part of a storage, or to one whose key is not text")
        if key not in self.storages:
            dtype = _DTYPE_OF[storage]
            self.remaining_bytes -= count * dtype.itemsize
            if count < 0 or self.remaining_bytes < 0:
                raise InputError("damaged, its storages are larger than the file")
            self.storages[key] = np.empty(count, dtype)
        return torch.from_numpy(self.storages[key])


def _read(file: BinaryIO) -> Any:
    """Return the content of a file, with its storages filled."""
    magic, version, machine = (SafeUnpickler(file).load() for _ in range(3))
    if type(version) is not int:
        raise RefusedError("a version that is not a number")
    if magic != MAGIC or version != VERSION or not machine.get("little_endian"):
        raise InputError(f"found version {version} of torch's old format, expected {VERSION}, little-endian")
    unpickler = _Unpickler(file, os.fstat(file.fileno()).st_size)
    content = unpickler.load()
    for key in SafeUnpickler(file).load():
        if type(key) is not str:
            raise RefusedError("a storage whose key is not text")
        storage = unpickler.storages[key]
        count = int.from_bytes(file.read(8), "little")
        raw = file.read(storage.nbytes)
        if count != len(storage) or len(raw) != storage.nbytes:
            raise InputError(f"damaged, storage {key} has {len(raw)} bytes, expected {storage.nbytes}")
        storage[:] = np.frombuffer(raw, storage.dtype.newbyteorder("<"))
        del unpickler.storages[key]
    if unpickler.storages:
        raise InputError(f"damaged, {len(unpickler.storages)} of its storages are missing")
    return content


def _config_of(content: Any) -> dict:
    """Return the config in a checkpoint of the release, and refuse other content."""
    is_checkpoint = isinstance(content, Mapping) and {"arch", "epoch", "state_dict", "config"} <= content.keys()
    config = content["config"] if is_checkpoint else None
    if isinstance(config, _ConfigParser):
        config = config.state
    if isinstance(config, Mapping):
        config = config.get("_config", config)
    if not isinstance(config, Mapping):
        raise InputError("found no config, state_dict, arch and epoch, expected a checkpoint of the 2019 release")
    check_extent(config)
    return _plain(config)


def _plain(value: Any) -> Any:
    """Return `value` with dicts for mappings, lists for tuples and text for paths."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, _Record):
        if not isinstance(value.state, tuple | Mapping) or not all(isinstance(part, str) for part in value.state):
            raise RefusedError("a config with an object that is not a path")
        return "/".join(value.state)
    return value
