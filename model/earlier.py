"""The optimizer state in earlier checkpoints of this implementation, which were written until November 2026.

Such a file has the same weights by the same names as one of today, but fewer, longer vectors in its entry `optimizer`.
`tests/model/test_earlier.py` resumes some. Checkpoints of the authors' 2019 release hold no optimizer;
`model.published` and `base.legacy_checkpoint` read them.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from model.model import CENet
from model.per_expert import PerExpert

# The parameters of a gated embedding unit. In these files, those of all text units, joined by name, came last.
UNIT = ("fc.weight", "fc.bias", "cg.fc.weight", "cg.fc.bias", "cg.batch_norm.weight", "cg.batch_norm.bias")


def convert_optimizer_state(state: Mapping[str, Any], model: CENet) -> Mapping[str, Any]:
    """Return the `state` of an optimizer in the layout of today's parameters of `model`.

    In earlier files the D x D matrices of all experts are one vector, and the first layers of all text units one matrix
    (in, sum of d_i), even if their dims differ. A state in today's layout is returned unchanged.
    """
    if getattr(model, "text_units", None) is None:  # Concat
        return state
    group, *others = state["param_groups"]
    if others:  # the parameters of a loss, which earlier files do not have
        return state
    parameters, saved = list(model.parameters()), dict(state["state"])
    first = len(group["params"]) - len(UNIT)
    gate = saved.get(first + UNIT.index("cg.fc.weight"), {}).values()
    is_flat = any(isinstance(x, Tensor) and x.ndim == 1 for x in gate)
    if not is_flat and len(group["params"]) == len(parameters):
        return state
    joint = [saved.pop(first + i, {}) for i in range(len(UNIT))]
    if isinstance(model.text_units, PerExpert):
        dims = [model.text_units.unit.cg.fc.in_features] * model.text_units.num_experts
    else:
        dims = [unit.cg.fc.in_features for unit in model.text_units]
    for i, (name, values) in enumerate(zip(UNIT, joint, strict=True)):
        parts = {key: _split(name, x, dims) for key, x in values.items()}
        if isinstance(model.text_units, PerExpert):
            saved[first + i] = {key: torch.cat(xs) if xs[0].ndim else xs[0] for key, xs in parts.items()}
        else:
            for j in range(len(dims)):
                saved[first + j * len(UNIT) + i] = {key: xs[j].clone() for key, xs in parts.items()}
    for i, values in saved.items():
        shape = parameters[i].shape
        saved[i] = {key: x.reshape(shape) if x.ndim and x.numel() == shape.numel() else x for key, x in values.items()}
    return {"state": saved, "param_groups": [group | {"params": list(range(len(parameters)))}]}


def _split(name: str, x: Tensor, dims: list[int]) -> list[Tensor]:
    """Split the tensor `x`, saved for the parameter `name` of all text units of `dims`, into the tensors of each."""
    if x.ndim == 0:  # a count of steps
        return [x] * len(dims)
    if name == "fc.weight":
        return [part.contiguous() for part in x.T.split(dims)]
    if name == "cg.fc.weight":
        return [part.view(d, d) for part, d in zip(x.split([d * d for d in dims]), dims, strict=True)]
    return list(x.split(dims))
