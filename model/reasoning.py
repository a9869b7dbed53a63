"""The layers g and h of the collaborative gate in the corrected release (February 2020 and later)."""

from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Reasoning(NamedTuple):
    """The depth and the layers of g and h, with the published defaults.

    phi is the nonlinearity, BN a batch norm:

        g = Linear(2D, D), then num_g_layers - 1 times [BN], phi, Linear(D, D)
        h = num_h_layers times [BN], phi, Linear(D, D); the identity without a layer

    Attributes:
        num_g_layers, num_h_layers: the number of linear layers.
        use_mish: whether phi is Mish, x * tanh(softplus(x)); otherwise it is ReLU.
        use_bn_reason: whether there are batch norms.
        include_self: whether an expert is its own partner: g also sees [x_i ; x_i].
    """

    num_g_layers: int = 3
    num_h_layers: int = 0
    use_mish: bool = True
    use_bn_reason: bool = True
    include_self: bool = True

    @classmethod
    def complete(cls, *values: int | None) -> Self:
        """Return the settings, in the order of the attributes, with the default in place of None."""
        return cls(*(default if x is None else x for x, default in zip(values, cls._field_defaults.values(), strict=True)))

    def layers(self, count: int, dim: int) -> list[nn.Module]:
        """Return `count` times [BN], phi, Linear(D, D)."""
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [PairBatchNorm1d(dim)] if self.use_bn_reason else []
            layers += [nn.Mish() if self.use_mish else nn.ReLU(), nn.Linear(dim, dim)]
        return layers


class PairBatchNorm1d(nn.BatchNorm1d):
    """Batch normalization of pairs of experts, each by its own statistics over the batch.

    The release calls g once per pair. In training, each pair is normalized by the mean and variance of its B rows, also
    those with missing experts, and updates the running statistics, pair after pair. This computes all pairs at once.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x`, (B, ..., D), over B, where each place between B and D is a pair."""
        if not self.training:
            return super().forward(x.reshape(-1, self.num_features)).view_as(x)
        pairs = x.numel() // (len(x) * self.num_features)
        columns = x.reshape(len(x), pairs * self.num_features).to(self.weight.dtype)
        normalized, mean, var = self.normalize(columns, self.weight.repeat(pairs), self.bias.repeat(pairs))
        # After P updates, pair k of P has entered the running statistics with momentum * (1 - momentum) ** (P - 1 - k).
        kept = (1 - self.momentum) ** torch.arange(pairs - 1, -1, -1, dtype=mean.dtype, device=mean.device)  # (P,)
        with torch.no_grad():
            for running, batch in ((self.running_mean, mean), (self.running_var, var)):
                running.mul_((1 - self.momentum) ** pairs).add_(self.momentum * kept @ batch.view(pairs, -1))
            self.num_batches_tracked += pairs
        return normalized.view_as(x)

    def normalize(self, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `x` (B, C) normalized, scaled and shifted, with its mean and unbiased variance, (C,) each."""
        mean, var = weight.new_zeros(len(weight)), weight.new_ones(len(weight))
        # With momentum 1 the running statistics become those of the batch.
        return F.batch_norm(x, mean, var, weight, bias, training=True, momentum=1.0, eps=self.eps), mean, var
