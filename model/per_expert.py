"""A unit of the same shape for each of M experts, with one matrix product for all of them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ExpertLinear(nn.Linear):
    """A linear layer D -> D for each of M experts, as one batched product.

    `weight` (M * D, D) and `bias` (M * D,) hold those of the M layers one below the other.
    """

    def __init__(self, dim: int, num_experts: int):
        super().__init__(dim, num_experts * dim)
        self.num_experts = num_experts

    def forward(self, x: Tensor) -> Tensor:
        """Map `x`, (N, M * D), to (N, M * D), each expert by its own layer."""
        if self.num_experts == 1:
            return super().forward(x)
        weight, bias = self.weight.unflatten(0, (self.num_experts, -1)), self.bias.view(self.num_experts, -1, 1)
        x = x.unflatten(1, (self.num_experts, -1)).permute(1, 2, 0)  # (M, D, N)
        # W x, not x W: the gradient of W comes in the memory layout of W.
        return torch.baddbmm(bias, weight, x).permute(2, 0, 1).flatten(1)


class PerExpert(nn.Module):
    """M units of the same shape, one per expert, with one matrix product for all of them.

    The parameters of the M units lie one below the other. They are initialized, saved and loaded as those of an
    `nn.ModuleList` of M units, under the names `<i>.fc.weight` and so on.

    Args:
        num_experts: number of units M.
        unit: class of a unit. With `num_experts` > 1 it computes M of them, side by side in (N, M * D).
        dims: dimensions that the constructor of a unit takes.
    """

    def __init__(self, num_experts: int, unit: Callable[..., nn.Module], *dims: int):
        super().__init__()
        self.num_experts = num_experts
        with torch.device("meta"):  # the weights follow
            self.unit = unit(*dims, num_experts=num_experts)
        self.register_state_dict_post_hook(_split_by_expert)
        self.register_load_state_dict_pre_hook(_join_experts)
        units = nn.ModuleList(unit(*dims) for _ in range(num_experts))
        self.load_state_dict(units.state_dict(), assign=True)

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """Return the outputs of the M units, (N, D) each."""
        return list(self.unit(*inputs).chunk(self.num_experts, dim=1))


def _split_by_expert(module: PerExpert, state: dict[str, Tensor], prefix: str, _: dict) -> None:
    """Replace each tensor of `module` in `state` by the tensors of its M units."""
    for key in [key for key in state if key.startswith(f"{prefix}unit.")]:
        joint = state.pop(key)
        # a scalar is the count of batches, which is the same for all units
        parts = joint.chunk(module.num_experts) if joint.ndim else [joint] * module.num_experts
        for i, part in enumerate(parts):
            state[f"{prefix}{i}.{key.removeprefix(f'{prefix}unit.')}"] = part


def _join_experts(module: PerExpert, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Replace the tensors of M units in `state` by those of `module`.

    A parameter that some unit lacks is left as it is, and torch reports it as missing.
    """
    for name in module.unit.state_dict():
        keys = [f"{prefix}{i}.{name}" for i in range(module.num_experts)]
        if all(key in state for key in keys):
            parts = [state.pop(key) for key in keys]
            state[f"{prefix}unit.{name}"] = torch.cat(parts) if parts[0].ndim else parts[0]
