"""Reading checkpoints of the public releases, which hold objects of their classes, without executing anything.

In the file format of torch before 1.6, a file has five pickles (a magic number, a version, a description of the machine, the
content, the keys of the storages) and then each storage, as its number of elements and its bytes. In that of today it is a
zip, of which one record is the pickle of the content, and each storage is another. The content refers to storages by key.

`torch.load(weights_only=True)` is not used: it knows no class of a release, small files make it overflow the stack or never
return, and it returns uninitialized memory for a storage that is not in the list of keys.
"""

import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from utils.errors import InputError
from utils.pickle_globals import Allowed, Placeholder, RefusedError
from utils.safe_pickle import SafeUnpickler, check_extent

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
PREFIX = "module."
CONFIG_CLASS = ("parse_config", "ConfigParser")
# Weights that only the corrected release has: g and h with any number of layers.
CORRECTED_NAMES = ("ce.g_reason_shared.", "ce.h_reason.")
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
    """Return a checkpoint of a public release, in the format of torch before 1.6, as `read_release` does."""
    with path.open("rb") as file:
        return read_release(path, lambda: _read(file))


def read_zip(path: Path) -> dict[str, Any]:
    """Return a checkpoint of a public release, in the format of today, as `read_release` does.

    The records of the file must be neither compressed nor damaged, which `base.checkpoint` checks.
    """
    with zipfile.ZipFile(path) as file:
        return read_release(path, lambda: _read_zip(path, file))


def read_release(path: Path, read: Callable[[], Any]) -> dict[str, Any]:
    """Return a checkpoint of a public release with the keys of the current format, on the CPU.

    The optimizer of the corrected release is left out, since a training cannot be resumed from it: the weights are those of
    the best epoch, but the optimizer is that of the last one, in the order of parameters of that release.

    Args:
        read: reads the content of the file at `path`.

    Returns:
        The keys of `base.checkpoint.load_checkpoint`, `published`, which is true, and `release`, "2019" or "2020" (the
        corrected one). Names of weights are those of the release, without the prefix of a training on several GPUs.

    Raises:
        InputError: a damaged file, or one with other objects than a checkpoint of a release.
    """
    try:
        content = read()
        config = _config_of(content)
    except RefusedError as error:
        raise InputError(
            f"{path}: refused, it holds {error}; expected only what checkpoints of the public releases hold"
        ) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # a damaged file can fail anywhere inside the decoder
        raise InputError(f"{path}: damaged ({type(error).__name__}: {' '.join(str(error).split())})") from None
    state_dict = _without_prefix(content["state_dict"])
    return {
        "arch": content["arch"],
        "epoch": content["epoch"],
        "state_dict": state_dict,
        "config": config,
        "config_file": f"config in {path}",
        "seed": config.get("seed", 0),
        "published": True,
        "release": "2020" if "optimizer" in content or _is_corrected(state_dict, config) else "2019",
    }


def _without_prefix(state_dict: Any) -> Any:
    """Return a state dict without the prefix that `torch.nn.DataParallel` gives to all names."""
    if not isinstance(state_dict, dict) or not all(isinstance(x, str) and x.startswith(PREFIX) for x in state_dict):
        return state_dict  # invalid ones are refused later
    return {name.removeprefix(PREFIX): value for name, value in state_dict.items()}


def _is_corrected(state_dict: Any, config: Mapping) -> bool:
    """Return whether names of weights or keys of the config are those of the corrected release."""
    names = state_dict if isinstance(state_dict, dict) else ()
    if any(isinstance(name, str) and name.startswith(CORRECTED_NAMES) for name in names):
        return True
    args = _section(_section(config, "data_loader"), "args")
    modalities = _section(config, "experts").get("modalities")
    dotted = isinstance(modalities, list) and any(isinstance(name, str) and "." in name for name in modalities)
    return "root_feat_folder" in args or dotted


def _section(config: Mapping, key: str) -> Mapping:
    """Return a section of a config that was not validated, empty if there is none."""
    found = config.get(key)
    return found if isinstance(found, Mapping) else {}


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
    """An unpickler of the content, with tensors as views of storages."""

    allowed = {
        **SafeUnpickler.allowed,
        ("torch._utils", "_rebuild_tensor_v2"): Allowed(
            lambda storage, offset, size, stride, *rest: torch.as_strided(storage, size, stride, offset)
        ),
        CONFIG_CLASS: Allowed(_ConfigParser),
        ("argparse", "Namespace"): Allowed(_Record),
        **{("pathlib", name): Allowed(_Record) for name in _PATHS},
        **{("torch", name): storage for name, storage in _STORAGES.items()},
    }

    def persistent_load(self, description: Any) -> torch.Tensor:
        """Return the storage of a description: ("storage", type, key, location, number of elements).

        In torch's old format, a sixth part describes a view of another storage.
        """
        kind, storage, key, _, count, *view = description
        # To hash or print other objects may take forever, or overflow the stack.
        if type(kind) is not str or kind != "storage" or type(storage) is not Allowed or storage not in _DTYPE_OF:
            raise RefusedError("a reference to a module or something else that is not a storage")
        if type(key) is not str or type(count) is not int or any(part is not None for part in view):
            raise RefusedError("a reference to a part of a storage, or to one whose key is not text")
        return torch.from_numpy(self._storage(key, count, _DTYPE_OF[storage]))

    def _storage(self, key: str, count: int, dtype: np.dtype) -> np.ndarray:
        """Return the storage of a key."""
        raise NotImplementedError


class _LegacyUnpickler(_Unpickler):
    """An unpickler of torch's old format, whose storages are filled later.

    Args:
        size: the size of the file, which the storages may not exceed.
    """

    def __init__(self, file: BinaryIO, size: int):
        super().__init__(file)
        self.remaining_bytes = size
        self.storages: dict[str, np.ndarray] = {}

    def _storage(self, key: str, count: int, dtype: np.dtype) -> np.ndarray:
        if key not in self.storages:
            self.remaining_bytes -= count * dtype.itemsize
            if count < 0 or self.remaining_bytes < 0:
                raise InputError("damaged, its storages are larger than the file")
            self.storages[key] = np.empty(count, dtype)
        return self.storages[key]


class _ZipUnpickler(_Unpickler):
    """An unpickler of today's format, with tensors as views of the file's bytes.

    Args:
        storages: the bytes of each storage.
    """

    def __init__(self, file: BinaryIO, storages: Mapping[str, np.ndarray]):
        super().__init__(file)
        self.storages = storages

    def _storage(self, key: str, count: int, dtype: np.dtype) -> np.ndarray:
        raw = self.storages[key]
        if count * dtype.itemsize != len(raw):
            raise InputError(f"damaged, storage {key} has {len(raw)} bytes, expected {count * dtype.itemsize}")
        return raw.view(dtype.newbyteorder("<"))


def _read(file: BinaryIO) -> Any:
    """Return the content of a file, with its storages filled."""
    magic, version, machine = (SafeUnpickler(file).load() for _ in range(3))
    if type(version) is not int:
        raise RefusedError("a version that is not a number")
    if magic != MAGIC or version != VERSION or not machine.get("little_endian"):
        raise InputError(f"found version {version} of torch's old format, expected {VERSION}, little-endian")
    unpickler = _LegacyUnpickler(file, os.fstat(file.fileno()).st_size)
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


def _read_zip(path: Path, file: zipfile.ZipFile) -> Any:
    """Return the content of a file of today's format.

    The file is memory-mapped: the optimizer, three quarters of it, takes no memory.
    """
    (name,) = (name for name in file.namelist() if name.rpartition("/")[2] == "data.pkl")
    folder = name.removesuffix("data.pkl")
    if f"{folder}byteorder" in file.namelist() and file.read(f"{folder}byteorder") != b"little":
        raise InputError("found big-endian numbers, expected little-endian")
    mapped = np.memmap(path, np.uint8, "c").view(np.ndarray)  # "c": what is written to an array is not written to the file
    storages = {}
    for entry in file.infolist():
        # The content follows a header of 30 bytes, a name and an extra field, whose lengths end the header.
        start = entry.header_offset + 30
        start += sum(struct.unpack("<HH", mapped[start - 4 : start].tobytes()))
        storages[entry.filename.removeprefix(f"{folder}data/")] = mapped[start : start + entry.file_size]
    with file.open(name) as content:
        return _ZipUnpickler(content, storages).load()


def _config_of(content: Any) -> dict:
    """Return the config in a checkpoint of the release, and refuse other content."""
    is_checkpoint = isinstance(content, Mapping) and {"arch", "epoch", "state_dict", "config"} <= content.keys()
    config = content["config"] if is_checkpoint else None
    if isinstance(config, _ConfigParser):
        config = config.state
    if isinstance(config, Mapping):
        config = config.get("_config", config)
    if not isinstance(config, Mapping):
        raise InputError(
            "found no config, state_dict, arch and epoch, expected a checkpoint of the 2019 release or of the corrected one"
        )
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
