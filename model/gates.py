"""The gates of Collaborative Experts (Liu et al., BMVC 2019, section 3; Miech et al., 2018, for the gated units)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.linear import JointLinear
from model.stacked import BlockLinear, Stacked, normalize_each


class ContextGating(nn.Module):
    """x * sigmoid(BN(W x + b)). Videos without the expert enter the statistics, see `Modulation`."""

    def __init__(self, dim: int):
        super().__init__()
        self.fc = nn.Linear(dim, dim)
        self.batch_norm = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x` (N, d) to (N, d)."""
        return x * torch.sigmoid(self.batch_norm(self.fc(x)))


class GatedEmbeddingUnit(nn.Module):
    """Linear -> ContextGating -> L2-normalise."""

    def __init__(self, in_dim: int, out_dim: int):
        super().__init__()
        self.fc = nn.Linear(in_dim, out_dim)
        self.cg = ContextGating(out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Embed `x` (N, in) on the unit sphere of dimension out: (N, out)."""
        return F.normalize(self.cg(self.fc(x)), dim=-1)


class ReduceDim(nn.Module):
    """Linear -> L2-normalise: the projection of an expert to the shared dimension."""

    def __init__(self, in_dim: int, out_dim: int):
        super().__init__()
        self.fc = nn.Linear(in_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Project `x` (N, in) to (N, out), of unit length."""
        return F.normalize(self.fc(x), dim=-1)


class ContextGatings(nn.Module):
    """ContextGating of M experts side by side; `layers` are the W of each."""

    def __init__(self, layers: Sequence[nn.Linear]):
        super().__init__()
        self.fc = BlockLinear(layers)
        self.batch_norm = nn.BatchNorm1d(sum(self.fc.dims))

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x` (N, sum of d_i)."""
        return x * torch.sigmoid(self.batch_norm(self.fc(x)))


class GatedEmbeddingUnits(Stacked):
    """A GatedEmbeddingUnit for each of M experts, all of one input: their linear layers are one product."""

    def __init__(self, in_dim: int, dims: Sequence[int]):
        super().__init__(dims)
        layers = [(nn.Linear(in_dim, d), nn.Linear(d, d)) for d in dims]
        self.fc = JointLinear([layer for layer, _ in layers])
        self.cg = ContextGatings([layer for _, layer in layers])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Embed `x` (N, in) on the unit sphere of each expert: [(N, d_i)] * M."""
        return normalize_each(self.cg(self.fc(x)), self.dims)


class NormalizedContextGatings(Stacked):
    """ContextGating -> L2-normalise: each expert is modulated by itself alone (CE - CG)."""

    def __init__(self, dims: Sequence[int]):
        super().__init__(dims)
        self.cg = ContextGatings([nn.Linear(d, d) for d in dims])

    def forward(self, experts: list[Tensor]) -> list[Tensor]:
        """Gate M `experts` (N, d_i): [(N, d_i)] * M, of unit length."""
        return normalize_each(self.cg(torch.cat(experts, dim=1)), self.dims)


class Modulation(nn.Module):
    """normalise(x * sigmoid(BN1(gate) + BN2(W x + b))): an expert modulated by what the others say of it.

    Videos without the expert enter the statistics of both batch norms (as the projection of zeros), as they did in the 2019
    release: its checkpoints depend on it.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.fc = nn.Linear(dim, dim)
        self.batch_norm_gate = nn.BatchNorm1d(dim)
        self.batch_norm_self = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        """Modulate `x` (N, d) by `gate` (N, d): (N, d), of unit length."""
        attention = self.batch_norm_gate(gate) + self.batch_norm_self(self.fc(x))
        return F.normalize(x * torch.sigmoid(attention), dim=-1)


class Modulations(Stacked):
    """A Modulation for each of M experts, all at once."""

    def __init__(self, num_experts: int, dim: int):
        super().__init__([dim] * num_experts)
        self.fc = BlockLinear([nn.Linear(dim, dim) for _ in range(num_experts)])
        self.batch_norm_gate = nn.BatchNorm1d(num_experts * dim)
        self.batch_norm_self = nn.BatchNorm1d(num_experts * dim)

    def forward(self, x: Tensor, gate: Tensor) -> list[Tensor]:
        """Modulate `x` (N, M, D) by `gate` (N, M, D): [(N, D)] * M, of unit length."""
        x = x.flatten(1)  # (N, M * D)
        attention = self.batch_norm_gate(gate.flatten(1)) + self.batch_norm_self(self.fc(x))
        return normalize_each(x * torch.sigmoid(attention), self.dims)


class CollaborativeGating(nn.Module):
    """Modulate every expert by h(mean over the other available experts j of g([x_i ; x_j])).

    g = Linear(2D, D) -> ReLU -> Linear(D, D) and h = Linear(D, D) -> ReLU -> Linear(D, D) are shared by all pairs. The first
    layer of g is linear in each half of its input, W [x_i ; x_j] = W_a x_i + W_b x_j, and the second commutes with the
    mean, so both run once an expert; only the ReLU between them sees pairs.

    Args:
        num_experts: M.
        dim: D.
        order: "parallel" gates all experts from their ungated values (the equations); "sequential" lets expert i see its
            predecessors already gated (the 2019 release). The names in the state dict are the same.
    """

    def __init__(self, num_experts: int, dim: int, order: str = "parallel"):
        super().__init__()
        self.order = order
        self.g1 = nn.Linear(2 * dim, dim)
        self.g2 = nn.Linear(dim, dim)
        self.h1 = nn.Linear(dim, dim)
        self.h2 = nn.Linear(dim, dim)
        if order == "sequential":
            self.modulation = nn.ModuleList(Modulation(dim) for _ in range(num_experts))
        else:
            self.modulation = Modulations(num_experts, dim)
        self.register_buffer("different", 1 - torch.eye(num_experts), persistent=False)  # i != j: (M, M)

    def forward(self, experts: list[Tensor], available: Tensor) -> list[Tensor]:
        """Gate `experts`, M tensors (V, D), where `available` (V, M) is 1: M tensors (V, D) of unit length."""
        x = torch.stack(experts, dim=1)  # (V, M, D)
        w_self, w_other = self.g1.weight.chunk(2, dim=1)  # (D, D) each
        own = F.linear(x, w_self, self.g1.bias)  # W_a x_i + b: (V, M, D)
        others = F.linear(x, w_other)  # W_b x_j: (V, M, D)
        partners = available[:, :, None] * available[:, None] * self.different.to(available.dtype)  # (V, M, M)
        if self.order == "parallel":
            return self.modulation(x, self._gate(own, others, partners))
        gated = []
        for i, modulate in enumerate(self.modulation):
            gate = self._gate(own[:, i : i + 1], others, partners[:, i : i + 1]).squeeze(1)
            gated.append(modulate(experts[i], gate))
            other = F.linear(gated[i], w_other)[:, None]
            others = torch.cat([others[:, :i], other, others[:, i + 1 :]], dim=1)
        return gated

    def _gate(self, own: Tensor, others: Tensor, partners: Tensor) -> Tensor:
        """h of the mean of g over partners, for I of the experts.

        Args:
            own: W_a x_i + b, (V, I, D).
            others: W_b x_j, (V, M, D).
            partners: (V, I, M), 1 where i and j are a pair.

        Returns:
            (V, I, D)
        """
        weights = partners / (partners.sum(dim=2, keepdim=True) + 1e-11)  # (V, I, M)
        hidden = torch.relu(own[:, :, None] + others[:, None])  # (V, I, M, D)
        mean_hidden = (weights[:, :, None] @ hidden).squeeze(2)  # (V, I, D)
        # The bias of g's second layer belongs to each pair: without a pair the mean is the zero vector.
        mean = F.linear(mean_hidden, self.g2.weight) + weights.sum(dim=2, keepdim=True) * self.g2.bias
        return self.h2(torch.relu(self.h1(mean)))
