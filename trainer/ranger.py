"""RAdam and Ranger, the optimizers of the corrected release, with a fused step.

A step of RAdam passes over parameters, gradients and moments once, as that of torch's fused Adam, where torch's own RAdam
takes more than ten times as long on a CPU.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import ParamsT

__all__ = ["RAdam", "Ranger"]

MIN_LENGTH = 5  # of the moving average behind v, from which on v is used


class RAdam(torch.optim.RAdam):
    """torch's RAdam: the same arguments, equations and state, and the same numbers up to rounding.

    Step n, with moments m and v as in Adam and the length rho of the moving average behind v, which grows with n:

        p -= lr r / (1 - b1^n) * m / (sqrt(v / (1 - b2^n)) + eps / sqrt(1 - b2^n))     if rho > 5
        p -= lr / (1 - b1^n) * m                                                       otherwise, in the first steps

    The first line is a step of Adam with other values of `lr` and `eps`. The arguments `maximize`, `foreach`, `capturable`
    and `differentiable` have no effect: with these, `trainer.optim` builds torch's class.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; return what `closure` returns, which may compute the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters_by_step = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    if not state:
                        state["step"] = torch.tensor(0.0)
                        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                    state["step"] += 1
                    parameters_by_step[int(state["step"])].append(parameter)
            for n, parameters in parameters_by_step.items():
                self._update(group, parameters, n)
        return loss

    def _update(self, group: dict[str, Any], parameters: list[nn.Parameter], n: int) -> None:
        """Take step `n` of some parameters of a group."""
        lr, (beta1, beta2), eps, weight_decay = (group[key] for key in ("lr", "betas", "eps", "weight_decay"))
        gradients = [parameter.grad for parameter in parameters]
        m, v = ([self.state[parameter][key] for parameter in parameters] for key in ("exp_avg", "exp_avg_sq"))
        if group["decoupled_weight_decay"] and weight_decay:
            # Not in the fused step, which multiplies by 1 - lr * weight_decay: this has few digits in single precision.
            torch._foreach_add_(parameters, parameters, alpha=-lr * weight_decay)
            weight_decay = 0.0
        bias_correction2 = 1 - beta2**n
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * n * beta2**n / bias_correction2
        if length > MIN_LENGTH:
            rectification = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            torch._fused_adam_(
                parameters,
                gradients,
                m,
                v,
                [],
                [torch.full((), n, dtype=torch.float32, device=parameters[0].device)] * len(parameters),
                lr=lr * math.sqrt(rectification),
                beta1=beta1,
                beta2=beta2,
                weight_decay=weight_decay,
                eps=eps / math.sqrt(bias_correction2),
                amsgrad=False,
                maximize=False,
            )
            return
        if weight_decay:
            gradients = torch._foreach_add(gradients, parameters, alpha=weight_decay)
        torch._foreach_lerp_(m, gradients, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, gradients, gradients, value=1 - beta2)
        torch._foreach_add_(parameters, m, alpha=-lr / (1 - beta1**n))


class Ranger(RAdam):
    """RAdam with decoupled weight decay and Lookahead, the optimizer of most models of the corrected release.

    Lookahead keeps slow weights, which start as the first weights. After every `k` steps, they move towards the weights by
    the fraction `alpha` of the distance, and the weights continue from there.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        weight_decay: float = 0.0,
        alpha: float = 0.5,
        k: int = 6,
    ):
        if not 0 <= alpha <= 1:
            raise ValueError(f"Invalid alpha: {alpha}")
        if type(k) is not int or k < 1:
            raise ValueError(f"Invalid k: {k}")
        super().__init__(params, lr, betas, eps, weight_decay, decoupled_weight_decay=True)
        for options in (self.defaults, *self.param_groups):
            options.update(alpha=alpha, k=k)

    def _update(self, group: dict[str, Any], parameters: list[nn.Parameter], n: int) -> None:
        if n == 1:
            for parameter in parameters:
                self.state[parameter]["slow_buffer"] = parameter.clone()
        super()._update(group, parameters, n)
        if n % group["k"] == 0:
            slow = [self.state[parameter]["slow_buffer"] for parameter in parameters]
            torch._foreach_lerp_(slow, parameters, group["alpha"])
            torch._foreach_copy_(parameters, slow)
