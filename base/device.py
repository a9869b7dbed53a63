"""Devices, random number generators, and the environment of a run."""

import logging
import platform
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from utils.errors import InputError

logger = logging.getLogger(__name__)


def select_device(index: int | None, disable_gpu: bool = False) -> torch.device:
    """Return the GPU of this index, or the CPU if none is requested, allowed or present, and log which.

    Raises:
        InputError: no GPU of this index.
    """
    count = torch.cuda.device_count()
    if index is None or disable_gpu or not count:
        reason = "no --device given" if index is None else "disable_gpu is set" if disable_gpu else "no GPU found"
        level = logging.INFO if index is None or disable_gpu else logging.WARNING
        logger.log(level, "device: CPU, %d threads (%s)", torch.get_num_threads(), reason)
        return torch.device("cpu")
    if not 0 <= index < count:
        raise InputError(f"--device {index}: found {count} GPUs, expected an index from 0 to {count - 1}")
    logger.info("device: GPU %d, %s", index, torch.cuda.get_device_name(index))
    return torch.device("cuda", index)


def environment(device: torch.device, processes: int) -> dict[str, Any]:
    """Return the versions, device, threads and processes of a run, on which results may depend."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(),
        "processes": processes,
    }


def to_device(value: Any, device: torch.device) -> Any:
    """Return a batch, or part of one, with its tensors on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    return value


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def get_rng_state() -> dict[str, Any]:
    """Return the states of all generators, in types that `torch.load(weights_only=True)` reads."""
    kind, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (kind, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def set_rng_state(states: dict[str, Any]) -> None:
    """Restore the states of `get_rng_state`, those of GPUs only if the number of GPUs is the same."""
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))
    np.random.set_state(tuple(states["numpy"]))
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
