"""The like layers of all experts in one tensor, so that one product does the work of M; saved as layers of their own."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Stacked(nn.Module):
    """Layers of M experts whose parameters and statistics are stacked along the dimension of their outputs.

    In the state dict they have the names and shapes of a list of M modules: expert i's part of `fc.weight` is
    `<i>.fc.weight`.

    Args:
        dims: d_i, the dimension of each expert's embedding.
    """

    def __init__(self, dims: Sequence[int]):
        super().__init__()
        self.dims = list(dims)
        self.register_state_dict_post_hook(_take_apart)
        self.register_load_state_dict_pre_hook(_put_together)

    def parts(self, name: str, value: Tensor) -> dict[str, Tensor]:
        """The stacked `value`, by the names that a list of modules would give to the parts of `name`."""
        module, _, last = name.rpartition(".")
        if value.ndim == 0:  # a count, which all share
            parts = [value] * len(self.dims)
        elif last == "blocks":
            name, parts = f"{module}.weight", split_blocks(value, self.dims)
        elif value.ndim == 2:  # of a JointLinear
            parts = value.T.split(self.dims)
        else:
            parts = value.split(self.dims)
        return {f"{i}.{name}": part for i, part in enumerate(parts)}


def _take_apart(module: Stacked, state: dict[str, Tensor], prefix: str, _: dict) -> None:
    """Replace what is stacked in `state` by its parts."""
    for key in [key for key in state if key.startswith(prefix)]:
        parts = module.parts(key.removeprefix(prefix), state.pop(key))
        state.update({prefix + name: part for name, part in parts.items()})


def _put_together(module: Stacked, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Replace the parts in `state` by what is stacked here; where one is missing they stay, to be refused."""
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        keys = [prefix + part for part in module.parts(name, value)]
        if all(key in state for key in keys):
            parts = [state.pop(key) for key in keys]
            if value.ndim == 0:
                state[prefix + name] = parts[0]
            elif value.ndim == 2:
                state[prefix + name] = torch.cat(parts).T
            else:
                state[prefix + name] = torch.cat([x.flatten() for x in parts])


def split_blocks(blocks: Tensor, dims: Sequence[int]) -> list[Tensor]:
    """Matrices (d_i, d_i) of a vector that holds them one after the other."""
    return [x.view(d, d) for x, d in zip(blocks.split([d * d for d in dims]), dims, strict=True)]


class BlockLinear(nn.Module):
    """A layer d_i -> d_i of its own for each of M experts; one batched product where all d_i are equal.

    Args:
        layers: M layers, whose weights it takes.
    """

    def __init__(self, layers: Sequence[nn.Linear]):
        super().__init__()
        self.dims = [layer.out_features for layer in layers]
        self.blocks = nn.Parameter(torch.cat([layer.weight.detach().flatten() for layer in layers]))
        self.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, sum of d_i) to (N, sum of d_i)."""
        if len(set(self.dims)) > 1:
            weights = split_blocks(self.blocks, self.dims)
            parts = zip(x.split(self.dims, dim=1), weights, self.bias.split(self.dims), strict=True)
            return torch.cat([F.linear(*part) for part in parts], dim=1)
        m, d = len(self.dims), self.dims[0]
        # W x, not x W: so the gradient of W comes as W lies in memory.
        y = torch.baddbmm(self.bias.view(m, d, 1), self.blocks.view(m, d, d), x.view(-1, m, d).permute(1, 2, 0))  # (M, d, N)
        return y.permute(2, 0, 1).reshape(-1, m * d)


def normalize_each(x: Tensor, dims: Sequence[int]) -> list[Tensor]:
    """The parts of `x` (N, sum of d_i), each of unit length: [(N, d_i)] * M."""
    if len(set(dims)) > 1:
        return [F.normalize(part, dim=1) for part in x.split(list(dims), dim=1)]
    return list(F.normalize(x.unflatten(1, (len(dims), dims[0])), dim=2).unbind(dim=1))
