"""Weights of another model, by the names of layers and experts and by shape."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from model.model import CENet

# The lists of a CENet with a module per expert, in alphabetical order of the experts.
POOLING = "pooling"
UNITS = ("video_dim_reduce", "video_units", "text_units", "collaborative_gating.modulation")
NUMBERED = re.compile(rf"({'|'.join(map(re.escape, (POOLING, *UNITS)))})\.(\d+)\.(.+)")
MIXTURE = "moe_fc."


class Transfer(NamedTuple):
    """The names of tensors, with those of experts in place of their numbers.

    Attributes:
        taken: those that were copied.
        misfits: those that both models have but whose layer does not fit, with both shapes where these differ.
        new: those that only the model has.
        unused: those that only the other one has.
        num_values, num_matrices: how many numbers, and how many tensors of more than one dimension, were copied.
    """

    taken: list[str]
    misfits: list[str]
    new: list[str]
    unused: list[str]
    num_values: int
    num_matrices: int


def tensors_by_expert(model: CENet) -> dict[str, Tensor]:
    """Return the tensors of a state dict, with the name of an expert where the state dict has its number.

    The rows of the mixture weights become one entry per expert. The tensors share the memory of the model.
    """
    experts = model.modalities
    joined = ["+".join(experts[i] for i in model.concat_order)] if model.is_concat else experts
    tensors: dict[str, Tensor] = {}
    for name, x in model.state_dict().items():
        if match := NUMBERED.fullmatch(name):
            expert = (experts if match[1] == POOLING else joined)[int(match[2])]
            tensors[f"{match[1]}.{expert}.{match[3]}"] = x
        elif name.startswith(MIXTURE):
            tensors |= {f"{MIXTURE}{expert}.{name.removeprefix(MIXTURE)}": x[i] for i, expert in enumerate(experts)}
        else:
            tensors[name] = x
    return tensors


def take_weights(model: CENet, source: CENet) -> Transfer:
    """Copy to `model` each layer of `source` that has the same name and the same shapes of all its tensors.

    The layers of an expert go to the expert of the same name, whatever the other experts are.
    """
    own, found = tensors_by_expert(model), tensors_by_expert(source)
    fitting = {layer for layer, names in _layers(own).items() if all(_fits(own, found, name) for name in names)}
    taken, misfits = [], []
    for name in own.keys() & found.keys():
        if _layer(name) in fitting:
            own[name].copy_(found[name])
            taken.append(name)
        else:
            shapes = tuple(found[name].shape), tuple(own[name].shape)
            misfits.append(name if shapes[0] == shapes[1] else f"{name} {shapes[0]}, expected {shapes[1]}")
    new, unused = own.keys() - found.keys(), found.keys() - own.keys()
    num_values, num_matrices = sum(own[name].numel() for name in taken), sum(own[name].ndim > 1 for name in taken)
    return Transfer(sorted(taken), sorted(misfits), sorted(new), sorted(unused), num_values, num_matrices)


def _layer(name: str) -> str:
    """Return the name of the layer that has the tensor `name`."""
    return name.rpartition(".")[0]


def _layers(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Return the names of the tensors of each layer."""
    layers: dict[str, list[str]] = {}
    for name in tensors:
        layers.setdefault(_layer(name), []).append(name)
    return layers


def _fits(own: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str) -> bool:
    return name in found and own[name].shape == found[name].shape
