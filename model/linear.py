"""Linear layers whose large gradients need no new memory in each step."""

from typing import Any

import torch
from torch import Tensor, nn


class Linear(nn.Linear):
    """A linear layer that can write the gradient of its weight where the last one was, on a CPU.

    Fresh memory is cleared by the system page by page as it is touched, which takes longer than the product that fills it.
    GPUs have torch's own memory, which needs nothing of this kind.
    """

    _spare: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, in) to (N, out)."""
        same_type = x.dtype == self.weight.dtype and not torch.is_autocast_enabled(x.device.type)
        if x.device.type == "cpu" and same_type and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return _Product.apply(x, self.weight, self.bias, self)
        return super().forward(x)

    def recycle(self) -> None:
        """Forget the weight's gradient, but keep its memory for the next one."""
        self._spare, self.weight.grad = self.weight.grad, None

    def take_spare(self) -> Tensor | None:
        """The memory that was kept, once, and not while gradients are added up."""
        spare, self._spare = self._spare, None
        return spare if self.weight.grad is None else None


class _Product(torch.autograd.Function):
    """x W^T + b, as `nn.functional.linear`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, layer: Linear) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.layer = layer
        return torch.addmm(bias, x, weight.T)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        # No other reference to the result may be left: then autograd makes it `weight.grad` without a copy.
        for_weight = torch.mm(gradient.T, x, out=ctx.layer.take_spare())
        return gradient @ weight if ctx.needs_input_grad[0] else None, for_weight, gradient.sum(dim=0), None


def recycle_gradients(model: nn.Module) -> None:
    """Forget all gradients of `model`, as `zero_grad` does; the next ones may be written where the large ones were.

    Nothing else may refer to them: they are overwritten.
    """
    for module in model.modules():
        if isinstance(module, Linear):
            module.recycle()
    model.zero_grad(set_to_none=True)
