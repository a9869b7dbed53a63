"""The one large layer of the model: the text layers of all experts as one product."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class JointLinear(nn.Module):
    """Layers of one input as one layer with the outputs of all, side by side.

    The weight lies in memory as (in, sum of d_i), which is faster than the other way round on CPUs. The gradient of the
    weight can be written where the last one was: fresh memory is cleared by the system page by page as it is touched, which
    takes longer than the product that fills it. GPUs have torch's own memory, which needs nothing of this kind.

    Args:
        layers: in -> d_i each, whose weights it takes.
    """

    def __init__(self, layers: Sequence[nn.Linear]):
        super().__init__()
        self.weight = nn.Parameter(torch.cat([layer.weight.detach().T for layer in layers], dim=1))
        self.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))
        self._spare: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, in) to (N, sum of d_i)."""
        if x.device.type == "cpu" and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu"):
            return _Product.apply(x, self.weight, self.bias, self)
        return nn.functional.linear(x, self.weight.T, self.bias)

    def recycle(self) -> None:
        """Forget the weight's gradient, but keep its memory for the next one."""
        self._spare, self.weight.grad = self.weight.grad, None

    def take_spare(self) -> Tensor | None:
        """The memory that was kept, once: what is written next is added to it, or takes other memory."""
        spare, self._spare = self._spare, None
        return spare


class _Product(torch.autograd.Function):
    """x W + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, layer: JointLinear) -> Tensor:
        """The output, and what the backward pass needs."""
        ctx.save_for_backward(x, weight)
        ctx.layer = layer
        return torch.addmm(bias, x, weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """The gradients. No reference to that of the weight is left here: autograd keeps it without a copy."""
        x, weight = ctx.saved_tensors
        for_x = gradient @ weight.T if ctx.needs_input_grad[0] else None
        return for_x, torch.mm(x.T, gradient, out=ctx.layer.take_spare()), gradient.sum(dim=0), None


def recycle_gradients(model: nn.Module) -> None:
    """Forget all gradients of `model`, as `zero_grad` does; the next ones may be written where the large ones were.

    Nothing else may refer to them: they are overwritten.
    """
    for module in model.modules():
        if isinstance(module, JointLinear):
            module.recycle()
    model.zero_grad(set_to_none=True)
