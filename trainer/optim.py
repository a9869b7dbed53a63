"""The optimiser that a config names, and its state in a checkpoint."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from utils.errors import InputError

# One pass over the memory of parameters, gradients and moments in a step, on CPUs and GPUs.
FUSED = ("Adam", "AdamW", "SGD")
# The arguments of an optimiser that say how it computes, not what.
IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")


def build_optimizer(section: Mapping[str, Any], parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of section `optimizer` of a config, fused where its class can be and the section does not say how.

    The numbers of a fused step differ from those of another in rounding alone.
    """
    args = dict(section["args"])
    if section["type"] in FUSED and not args.keys() & set(IMPLEMENTATION):
        args["fused"] = True
    return getattr(torch.optim, section["type"])(parameters, **args)


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], source: str) -> None:
    """Take the state of a checkpoint, but compute as `optimizer` does, however the one in the checkpoint did.

    Args:
        source: what error messages call the checkpoint.

    Raises:
        InputError: it has another number of parameters.
        KeyError, ValueError, TypeError: it does not fit for another reason.
    """
    found, expected = (
        sum(len(group["params"]) for group in groups) for groups in (state["param_groups"], optimizer.param_groups)
    )
    if found != expected:
        raise InputError(
            f"{source}: its optimiser has {found} parameters, expected {expected}; a checkpoint from before the layers of "
            "all experts were stacked can be evaluated, but not trained on"
        )
    groups = [
        saved | {key: own[key] for key in IMPLEMENTATION if key in own}
        for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})
