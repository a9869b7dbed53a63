"""Checkpoints: written atomically, the last few kept, read without executing anything.

A file of the current format is a zip of uncompressed records, one of which is a pickle. It may be hostile: torch executes
nothing of it, but unpacks records of any size, and hashes objects that overflow the stack of the interpreter. So the records
are checked first.
"""

import logging
import math
import pickle
import re
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from base.experiment import require_checkpoint
from base.legacy_checkpoint import CONFIG_CLASS, is_legacy, read_legacy, read_zip
from utils.errors import InputError
from utils.files import atomic_write
from utils.pickle_globals import Allowed, RefusedError
from utils.safe_pickle import SafeUnpickler, check_extent

logger = logging.getLogger(__name__)

MAX_PERIODIC = 3
BEST = "trained_model.pth"
INTERRUPTED = "interrupted.pth"
MAX_VALUE = sys.float_info.max
CHUNK_BYTES = 1 << 20
KEYS = {"arch": str, "epoch": int, "state_dict": dict, "config": dict, "config_file": str, "seed": int}


def save_checkpoint(path: Path, state: dict[str, Any], verify: bool = False) -> Path:
    """Write a checkpoint atomically, and return `path`; `verify` reads the file back before it replaces an earlier one.

    Raises:
        OSError: the disk is full, for example.
        InputError: the written file cannot be read back; an earlier file is kept.
    """
    with atomic_write(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch wraps the error of a full disk
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        if verify:
            file.flush()
            try:
                load_checkpoint(file.name)
            except InputError as error:
                reason = str(error).removeprefix(f"{file.name}: ")
                raise InputError(
                    f"{path}: not saved, because it could not be loaded again ({reason}); the training stops here, before "
                    "more is lost: if the disk is sound, train with another optimizer or lr_scheduler"
                ) from None
    return path


def save_periodic(folder: Path, state: dict[str, Any], verify: bool = False) -> Path:
    """Write the checkpoint of an epoch with `save_checkpoint`, and delete all but the last `MAX_PERIODIC`."""
    path = save_checkpoint(folder / f"checkpoint-epoch{state['epoch']}.pth", state, verify)
    for old in periodic_checkpoints(folder, state["epoch"])[:-MAX_PERIODIC]:
        old.unlink()
    return path


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of this project, or of a public release, to the CPU.

    Returns:
        arch, epoch, seed, state_dict, config, config_file; of trainings also optimizer, lr_scheduler, random, environment,
        monitor_best, epochs_since_best, values (metrics of the epoch), begun (step, loss and seconds of a partial epoch) and
        loss_state_dict (of a loss with parameters);
        of trainings with an average of the weights, which is then the state_dict, also raw_state_dict, the weights of the
        last step, and ema_updates, the number of steps that were averaged;
        of a public release also published, which is true, and release, "2019" or "2020" (the corrected one).

    Raises:
        InputError: the file is missing, damaged or not a checkpoint.
    """
    path = Path(path)
    require_checkpoint(path)
    state = read_legacy(path) if is_legacy(path) else _read(path)
    for key, kind in KEYS.items():
        if not isinstance(state.get(key), kind):
            raise InputError(f"{path}: {key} is {type(state.get(key)).__name__}, expected {kind.__name__} in a checkpoint")
    _check_weights(path, state, "state_dict")
    if "loss_state_dict" in state:
        _check_weights(path, state, "loss_state_dict")
    if "raw_state_dict" in state or "ema_updates" in state:
        _check_average(path, state)
    partial_epoch = state.get("begun")
    if partial_epoch is not None:
        entries = partial_epoch if isinstance(partial_epoch, dict) else {}
        step, loss, seconds = entries.get("step"), entries.get("loss"), entries.get("seconds", 1.0)
        are_finite = all(isinstance(x, float) and math.isfinite(x) for x in (loss, seconds))
        if not isinstance(step, int) or step < 0 or not are_finite or seconds <= 0:
            raise InputError(
                f"{path}: begun is {partial_epoch}, expected the number of steps done, their losses and their seconds"
            )
    if state["epoch"] < 1:
        raise InputError(f"{path}: epoch is {state['epoch']}, expected 1 or later")
    values = state.get("values", {})
    if not isinstance(values, dict) or not all(isinstance(x, int | float) and abs(x) <= MAX_VALUE for x in values.values()):
        raise InputError(f"{path}: values holds something else than numbers, expected numbers by name")
    environment = state.get("environment", {})
    if not isinstance(environment, dict) or not all(isinstance(x, str | int) for pair in environment.items() for x in pair):
        raise InputError(f"{path}: environment is {environment}, expected names and values")
    return state


def _check_weights(path: Path, state: dict[str, Any], key: str) -> None:
    """Raise an `InputError` if the weights of a checkpoint below `key` are other things than plain tensors by name."""
    if not isinstance(state.get(key), dict):
        raise InputError(f"{path}: {key} is {type(state.get(key)).__name__}, expected dict in a checkpoint")
    for name, weights in state[key].items():
        if not isinstance(name, str) or not isinstance(weights, torch.Tensor):
            raise InputError(f"{path}: {key}.{name} is {type(weights).__name__}, expected a tensor by name")
        if weights.layout != torch.strided or weights.is_complex() or weights.is_quantized or weights.is_meta:
            raise InputError(f"{path}: {key}.{name} is sparse, complex, packed or without data, expected plain numbers")


def _check_average(path: Path, state: dict[str, Any]) -> None:
    """Raise an `InputError` if a checkpoint with averaged weights has no valid weights of the last step or no count."""
    updates = state.get("ema_updates")
    _check_weights(path, state, "raw_state_dict")
    if type(updates) is not int or updates < 0:
        raise InputError(f"{path}: ema_updates is {updates!r}, expected the number of averaged steps")


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint in the current format of torch."""
    try:
        if _check_records(path):
            return read_zip(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: the file is read or refused
            # Memory-mapped: the optimizer, two thirds of the file, takes no memory unless it is used.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except InputError:
        raise
    except RefusedError as error:
        raise InputError(f"{path}: refused, it holds {error}; expected tensors and plain values") from None
    except pickle.UnpicklingError:
        raise InputError(f"{path}: refused, it is damaged or holds other things than tensors and plain values") from None
    except zipfile.BadZipFile as error:  # its message names the defect
        raise InputError(f"{path}: damaged, or no checkpoint ({error})") from None
    except Exception as error:  # a damaged file can fail anywhere inside the decoder
        raise InputError(f"{path}: damaged, or no checkpoint ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise InputError(f"{path}: found a {type(state).__name__}, expected a checkpoint")
    return state


class _Tensor:
    """A placeholder for a tensor or a storage, without content."""

    def __init__(self, *args: Any):
        pass


def _counter(counts: Any) -> _Tensor:
    """Return a placeholder for a `collections.Counter`, in which MultiStepLR stores its milestones.

    Later opcodes cannot change a placeholder, so that what is checked here remains true.
    """
    if type(counts) is not dict or not all(type(x) is int for item in counts.items() for x in item):
        raise RefusedError("a collections.Counter of other things than whole numbers")
    return _Tensor()


_TENSOR = Allowed(_Tensor)
_STORAGE_TYPES = [str, Allowed, str, str, int]  # in the description of a storage


class _PublishedError(RefusedError):
    """The file is a checkpoint of a public release."""


class _Unpickler(SafeUnpickler):
    """An unpickler of a checkpoint without its tensors."""

    allowed = {
        **SafeUnpickler.allowed,
        ("torch._utils", "_rebuild_tensor_v2"): _TENSOR,
        ("torch._utils", "_rebuild_parameter"): _TENSOR,
        ("collections", "Counter"): Allowed(_counter),
        **{("torch", storage.__name__): _TENSOR for storage in torch._storage_classes},
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the allowed object `module.name`; stop at the class of configs in checkpoints of the public releases."""
        if (module, name) == CONFIG_CLASS:
            raise _PublishedError("the config of a public release")
        return super().find_class(module, name)

    def persistent_load(self, description: Any) -> Any:
        """Return a placeholder for a storage: ("storage", type, key, location, number of elements)."""
        if type(description) is not tuple or [type(part) for part in description] != _STORAGE_TYPES:
            raise RefusedError("a storage with another description than texts and a number")  # torch hashes them
        return _Tensor()


def _check_records(path: Path) -> bool:
    """Refuse other objects than tensors, containers and plain values, and check the checksums, which torch ignores.

    Returns:
        Whether the file is of a public release, whose objects are checked while they are read.
    """
    is_published = False
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise RefusedError("compressed records")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise RefusedError("records that overlap")
        for entry in entries:
            if entry.filename.rpartition("/")[2] == "data.pkl":
                with file.open(entry) as content:
                    try:
                        check_extent(_Unpickler(content).load())
                    except _PublishedError:
                        is_published = True
        for entry in entries:
            with file.open(entry) as content:
                while content.read(CHUNK_BYTES):
                    pass
    return is_published


def periodic_checkpoints(folder: Path, epoch: float = math.inf) -> list[Path]:
    """Return the periodic checkpoints of a folder by epoch, but first those after `epoch`.

    A run that was resumed from an earlier epoch replaces these.
    """
    epochs = _epochs(folder)
    return sorted(epochs, key=lambda path: (epochs[path] <= epoch, epochs[path]))


def latest_epoch(folder: Path) -> int:
    """Return the epoch of the last periodic checkpoint in a folder, 0 without any."""
    return max(_epochs(folder).values(), default=0)


def _epochs(folder: Path) -> dict[Path, int]:
    """Return the epoch of each periodic checkpoint in a folder."""
    matches = {path: re.fullmatch(r"checkpoint-epoch(\d+)\.pth", path.name) for path in folder.iterdir()}
    return {path: int(match[1]) for path, match in matches.items() if match}
