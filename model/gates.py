"""The gates of Collaborative Experts (Liu et al., BMVC 2019, section 3; Miech et al., 2018, for the gated units)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class NormalisedContextGating(nn.Module):
    """ContextGating -> L2-normalise: an expert that is modulated by itself alone (CE - CG)."""

    def __init__(self, dim: int):
        super().__init__()
        self.cg = ContextGating(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x` (N, d) to (N, d), of unit length."""
        return F.normalize(self.cg(x), dim=-1)


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


class CollaborativeGating(nn.Module):
    """Modulate every expert by h(mean over the other available experts j of g([x_i ; x_j])).

    g = Linear(2D, D) -> ReLU -> Linear(D, D) and h = Linear(D, D) -> ReLU -> Linear(D, D) are shared by all pairs. The first
    layer of g is linear in each half of its input, W [x_i ; x_j] = W_a x_i + W_b x_j, and the second commutes with the
    mean, so both run once an expert; only the ReLU between them sees pairs.

    Args:
        num_experts: M.
        dim: D.
        order: "parallel" gates all experts from their ungated values (the equations); "sequential" lets expert i see its
            predecessors already gated (the 2019 release).
    """

    def __init__(self, num_experts: int, dim: int, order: str = "parallel"):
        super().__init__()
        self.order = order
        self.g1 = nn.Linear(2 * dim, dim)
        self.g2 = nn.Linear(dim, dim)
        self.h1 = nn.Linear(dim, dim)
        self.h2 = nn.Linear(dim, dim)
        self.modulation = nn.ModuleList(Modulation(dim) for _ in range(num_experts))

    def forward(self, experts: list[Tensor], available: Tensor) -> list[Tensor]:
        """Gate `experts`, M tensors (V, D), where `available` (V, M) is 1: M tensors (V, D) of unit length."""
        w_self, w_other = self.g1.weight.chunk(2, dim=1)  # (D, D) each
        own = [F.linear(x, w_self, self.g1.bias) for x in experts]  # W_a x_i + b
        others = torch.stack([F.linear(x, w_other) for x in experts], dim=1)  # W_b x_j: (V, M, D)
        gated = []
        for i, (x, modulate) in enumerate(zip(experts, self.modulation, strict=True)):
            partners = available * available[:, i : i + 1]  # (V, M)
            partners = partners * (torch.arange(len(experts), device=x.device) != i)
            y = modulate(x, self._gate(own[i], others, partners))
            if self.order == "sequential":
                others = torch.cat([others[:, :i], F.linear(y, w_other)[:, None], others[:, i + 1 :]], dim=1)
            gated.append(y)
        return gated

    def _gate(self, own: Tensor, others: Tensor, partners: Tensor) -> Tensor:
        """h of the mean of g over `partners` (V, M), from W_a x_i + b (V, D) and W_b x_j (V, M, D): (V, D)."""
        weights = partners / (partners.sum(dim=1, keepdim=True) + 1e-11)  # (V, M)
        hidden = torch.relu(own[:, None] + others)  # (V, M, D)
        mean_hidden = (weights[:, None] @ hidden).squeeze(1)  # (V, D)
        # The bias of g's second layer belongs to each pair: without a pair the mean is the zero vector.
        mean = F.linear(mean_hidden, self.g2.weight) + weights.sum(dim=1, keepdim=True) * self.g2.bias
        return self.h2(torch.relu(self.h1(mean)))
