"""Checkpoints of the 2019 release: the file format of torch before 1.6, read without executing what it says.

Five pickles (a magic number, a version, a description of the machine, the content, the keys of the storages), and behind
them each storage as its number of elements and its bytes. The content refers to storages by key.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from utils.errors import InputError
from utils.safe_pickle import Allowed, RefusedError, SafeUnpickler

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
    """Whether a file begins as torch before 1.6 wrote them."""
    with path.open("rb") as file:
        try:
            return SafeUnpickler(file).load() == MAGIC
        except Exception:  # whatever another kind of file makes of it
            return False


def read_legacy(path: Path) -> dict[str, Any]:
    """A checkpoint of the 2019 release in today's terms, on the CPU, with `published` true.

    Raises:
        InputError: it is damaged, or holds other things than a checkpoint of that release.
    """
    try:
        with path.open("rb") as file:
            content = _read(file)
    except RefusedError as error:
        raise InputError(f"{path}: refused, it holds {error}; expected what a checkpoint of the 2019 release does") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # a damaged file can fail anywhere inside the decoder
        raise InputError(f"{path}: damaged ({type(error).__name__}: {' '.join(str(error).split())})") from None
    config = _config_of(content)
    if config is None:
        raise InputError(f"{path}: found no config, state_dict, arch and epoch, expected a checkpoint of the 2019 release")
    return {
        "arch": content["arch"],
        "epoch": content["epoch"],
        "state_dict": content["state_dict"],
        "config": config,
        "config_file": f"config in {path}",
        "seed": config.get("seed", 0),
        "published": True,
    }


class _Record:
    """An object of a class of the release: its constructor's arguments or its attributes, and no code."""

    def __init__(self, *args: Any):
        self.state: Any = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _ConfigParser(_Record):
    """`parse_config.ConfigParser`."""


_STORAGES = {name: Allowed() for name in DTYPES}
_DTYPE_OF = {storage: np.dtype(DTYPES[name]) for name, storage in _STORAGES.items()}


class _Unpickler(SafeUnpickler):
    """Reads the content: tensors as views of storages that are filled later."""

    allowed = {
        **SafeUnpickler.allowed,
        ("torch._utils", "_rebuild_tensor_v2"): Allowed(
            lambda storage, offset, size, stride, *rest: torch.as_strided(storage, size, stride, offset)
        ),
        ("parse_config", "ConfigParser"): _ConfigParser,
        ("argparse", "Namespace"): _Record,
        **{("pathlib", name): _Record for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")},
        **{("torch", name): storage for name, storage in _STORAGES.items()},
    }

    def __init__(self, file: BinaryIO, size: int):
        super().__init__(file)
        self.bytes_left = size
        self.storages: dict[str, np.ndarray] = {}

    def persistent_load(self, description: Any) -> torch.Tensor:
        """The storage of ("storage", type, key, location, number of elements, None)."""
        kind, storage, key, _, count, view = description
        if kind != "storage" or storage not in _DTYPE_OF or view is not None:
            raise RefusedError(f"a reference to a {kind}")
        if key not in self.storages:
            dtype = _DTYPE_OF[storage]
            self.bytes_left -= count * dtype.itemsize
            if count < 0 or self.bytes_left < 0:
                raise InputError("damaged, its storages are larger than the file")
            self.storages[key] = np.empty(count, dtype)
        return torch.from_numpy(self.storages[key])


def _read(file: BinaryIO) -> Any:
    """The content of a file, its storages filled."""
    magic, version, machine = (SafeUnpickler(file).load() for _ in range(3))
    if magic != MAGIC or version != VERSION or not machine.get("little_endian"):
        raise InputError(f"found version {version} of torch's old format, expected {VERSION}, little-endian")
    unpickler = _Unpickler(file, os.fstat(file.fileno()).st_size)
    content = unpickler.load()
    for key in SafeUnpickler(file).load():
        storage = unpickler.storages[key]
        count = int.from_bytes(file.read(8), "little")
        raw = file.read(storage.nbytes)
        if count != len(storage) or len(raw) != storage.nbytes:
            raise InputError(f"damaged, storage {key} has {len(raw)} bytes, expected {storage.nbytes}")
        storage[:] = np.frombuffer(raw, storage.dtype.newbyteorder("<"))
        del unpickler.storages[key]
    if unpickler.storages:
        raise InputError(f"damaged, {len(unpickler.storages)} of its storages are not there")
    return content


def _config_of(content: Any) -> dict | None:
    """The config in a checkpoint of the release, or None if it is none."""
    if not isinstance(content, Mapping) or not {"arch", "epoch", "state_dict", "config"} <= content.keys():
        return None
    config = content["config"].state if isinstance(content["config"], _ConfigParser) else content["config"]
    if isinstance(config, Mapping):
        config = config.get("_config", config)
    return _plain(config) if isinstance(config, Mapping) else None


def _plain(value: Any) -> Any:
    """`value` with dicts for mappings and text for paths."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, _Record):
        return "/".join(map(str, value.state))
    return value
