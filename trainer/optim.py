"""The optimizer of a config, its state in a checkpoint, and the steps of its schedule."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from trainer.ranger import RAdam, Ranger
from utils.errors import InputError

# Classes whose `fused` step passes only once over the memory of parameters, gradients and moments, on CPUs and GPUs.
FUSED = ("Adam", "AdamW", "SGD")
# Arguments of an optimizer that select its implementation, not its equations.
IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")


def instantiate_optimizer(
    section: Mapping[str, Any], parameters: Iterable[nn.Parameter | dict[str, Any]]
) -> torch.optim.Optimizer:
    """Return the optimizer of section `optimizer` of a config, fused where possible, unless its arguments say otherwise.

    `parameters` are parameters, or groups of them as torch has them.

    The numbers of a fused step differ from those of another one only by rounding.
    """
    name, args = section["type"], dict(section["args"])
    if name == "Ranger":
        return Ranger(parameters, **args)
    if name == "RAdam" and not args.keys() & {"maximize", *IMPLEMENTATION}:
        return RAdam(parameters, **args)
    if name in FUSED and not args.keys() & set(IMPLEMENTATION):
        args["fused"] = True
    return getattr(torch.optim, name)(parameters, **args)


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], path: Path) -> None:
    """Load the `state` in the checkpoint at `path`, but keep the implementation of `optimizer`.

    Raises:
        InputError: another number of parameters.
        KeyError, ValueError, TypeError: a state that does not fit for another reason.
    """
    num_saved, num_expected = (
        sum(len(group["params"]) for group in groups) for groups in (state["param_groups"], optimizer.param_groups)
    )
    if num_saved != num_expected:
        raise InputError(
            f"{path}: its optimizer has {num_saved} parameters, expected {num_expected}; a checkpoint of "
            "another model or of an early version can be evaluated at most, its training cannot be resumed"
        )
    groups = [
        saved | {key: current[key] for key in IMPLEMENTATION if key in current}
        for saved, current in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})


def step_schedule(lr_scheduler: LRScheduler | None, value: float | None) -> None:
    """Take the step of the schedule after an epoch; `value` is the monitored value (None: nothing is monitored)."""
    if isinstance(lr_scheduler, ReduceLROnPlateau):
        lr_scheduler.step(value)
    elif lr_scheduler is not None:
        with warnings.catch_warnings():
            # Wrong if the optimizer took its steps in the process that was interrupted before this evaluation.
            warnings.filterwarnings("ignore", r"Detected call of `lr_scheduler\.step\(\)` before", UserWarning)
            lr_scheduler.step()
