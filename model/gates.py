"""The gates of Collaborative Experts (Liu et al., BMVC 2019, section 3) and gated units (Miech et al., 2018).

`model.model` has the equations, and says where they differ from the paper. All batch norms are those of the releases.

A unit computes M experts at once where `num_experts` is M: N embeddings of M experts, of D dims each, are (N, M * D), and
the parameters of the experts lie one below the other, see `PerExpert`. N counts videos or captions; V is N for videos.

Arguments of the units: `in_dim`, the dimension of the input; `dim`, D.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.per_expert import ExpertLinear, PerExpert
from model.reasoning import Reasoning


def normalize(x: Tensor, num_experts: int = 1) -> Tensor:
    """Divide each of the M embeddings in every row of `x`, (N, M * D), by its length."""
    return F.normalize(x.unflatten(1, (num_experts, -1)), dim=2).flatten(1)


class ReduceDim(nn.Module):
    """The projection of an expert to the shared dimension: a linear layer, then L2 normalization."""

    def __init__(self, in_dim: int, dim: int):
        super().__init__()
        self.fc = nn.Linear(in_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Project `x`, (N, in_dim), to unit vectors (N, D)."""
        return normalize(self.fc(x))


class ContextGating(nn.Module):
    """Context gating: x * sigmoid(BN(W x + b))."""

    def __init__(self, dim: int, num_experts: int = 1):
        super().__init__()
        self.fc = ExpertLinear(dim, num_experts)
        self.batch_norm = nn.BatchNorm1d(num_experts * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x`, (N, M * D), elementwise."""
        return x * torch.sigmoid(self.batch_norm(self.fc(x)))


class NormalizedContextGating(nn.Module):
    """Context gating, then L2 normalization: each expert is modulated by itself only (CE - CG)."""

    def __init__(self, dim: int, num_experts: int = 1):
        super().__init__()
        self.num_experts = num_experts
        self.cg = ContextGating(dim, num_experts)

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x`, (N, M * D), to unit vectors (N, M * D)."""
        return normalize(self.cg(x), self.num_experts)


class GatedEmbeddingUnit(nn.Module):
    """A gated embedding unit (Miech et al., 2018): a linear layer, context gating, then L2 normalization."""

    def __init__(self, in_dim: int, dim: int, num_experts: int = 1):
        super().__init__()
        self.num_experts = num_experts
        self.fc = nn.Linear(in_dim, num_experts * dim)
        self.cg = ContextGating(dim, num_experts)

    def forward(self, x: Tensor) -> Tensor:
        """Embed `x`, (N, in_dim), for each expert: unit vectors (N, M * D)."""
        return normalize(self.cg(self.fc(x)), self.num_experts)


class Modulation(nn.Module):
    """The modulation of an expert by its gate: normalize(x * sigmoid(BN1(gate) + BN2(W x + b))).

    The paper has x * sigmoid(gate). The 2019 release adds the rest. Videos without the expert enter the statistics of both
    batch norms (as the projection of zeros), as they did in the release: its checkpoints depend on it.
    """

    def __init__(self, dim: int, num_experts: int = 1):
        super().__init__()
        self.num_experts = num_experts
        self.fc = ExpertLinear(dim, num_experts)
        self.batch_norm_gate = nn.BatchNorm1d(num_experts * dim)
        self.batch_norm_self = nn.BatchNorm1d(num_experts * dim)

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        """Modulate `x`, (N, M * D), by `gate`, (N, M * D), to unit vectors (N, M * D)."""
        attention = self.batch_norm_gate(gate) + self.batch_norm_self(self.fc(x))
        return normalize(x * torch.sigmoid(attention), self.num_experts)


class CollaborativeGating(nn.Module):
    """The modulation of every expert i by gate_i = h(mean of g([x_i ; x_j]) over available j).

    The paper sums over all j != i. The mean, of both releases, is zero where expert i is missing or has no partner.

    g and h are shared by all pairs. In the 2019 release, each is two linear layers with ReLU between them. In the corrected
    release, `Reasoning` has their layers. The first layer of g is linear in each half of its input, W [x_i ; x_j] =
    W_a x_i + W_b x_j, and the last commutes with the mean, so both run once per expert; only what is between sees pairs.

    Args:
        num_experts: number of experts M.
        dim: their shared dimension D.
        order: "parallel" gates all experts from their ungated values (the equations); "sequential" lets expert i see its
            predecessors already gated (both releases). The names in the state dict are the same.
        reasoning: g and h of the corrected release (None: those of 2019, without the pairs j = i).
    """

    def __init__(self, num_experts: int, dim: int, order: str = "parallel", reasoning: Reasoning | None = None):
        super().__init__()
        self.order = order
        self.g1 = nn.Linear(2 * dim, dim)
        if reasoning is None:
            self.g_hidden, self.g2 = nn.ReLU(), nn.Linear(dim, dim)
            self.h1 = nn.Linear(dim, dim)
            self.h2 = nn.Linear(dim, dim)
            self.h = None
        else:
            *hidden, last = reasoning.layers(reasoning.num_g_layers - 1, dim) or [None]
            self.g_hidden, self.g2 = nn.Sequential(*hidden), last
            self.h = nn.Sequential(*reasoning.layers(reasoning.num_h_layers, dim))
        if order == "sequential":
            self.modulation = nn.ModuleList(Modulation(dim) for _ in range(num_experts))
        else:
            self.modulation = PerExpert(num_experts, Modulation, dim)
        includes_self = reasoning is not None and reasoning.include_self
        partners = torch.ones(num_experts, num_experts) - (0 if includes_self else torch.eye(num_experts))
        self.register_buffer("partners", partners, persistent=False)  # 1 where j is a partner of i: (M, M)
        # Batch norms in g may not see pairs i = i that do not exist; elsewhere their weight of 0 is enough.
        self.selects_partners = reasoning is not None and not includes_self

    def forward(self, experts: list[Tensor], available: Tensor) -> list[Tensor]:
        """Modulate M `experts` of V videos, (V, D) each, to unit vectors; `available` (V, M) is 1 where a video has one."""
        x = torch.stack(experts, dim=1)  # (V, M, D)
        w_self, w_other = self.g1.weight.chunk(2, dim=1)  # (D, D) each
        own = F.linear(x, w_self, self.g1.bias)  # W_a x_i + b: (V, M, D)
        others = F.linear(x, w_other)  # W_b x_j: (V, M, D)
        pairs = available[:, :, None] * available[:, None] * self.partners.to(available.dtype)  # (V, M, M)
        if self.order == "parallel":
            gate = self._gate(own, others, pairs, self.partners)  # (V, M, D)
            return self.modulation(x.flatten(1), gate.flatten(1))
        gated = []
        for i, modulate in enumerate(self.modulation):
            one = slice(i, i + 1)
            gate = self._gate(own[:, one], others, pairs[:, one], self.partners[one]).squeeze(1)
            gated.append(modulate(experts[i], gate))
            other = F.linear(gated[i], w_other)[:, None]
            others = torch.cat([others[:, :i], other, others[:, i + 1 :]], dim=1)
        return gated

    def _gate(self, own: Tensor, others: Tensor, pairs: Tensor, partners: Tensor) -> Tensor:
        """Compute gate_i (V, I, D) for I of the M experts.

        Args:
            own, others: W_a x_i + b, (V, I, D), and W_b x_j, (V, M, D).
            pairs: (V, I, M), 1 where j is a partner of i and a video has both.
            partners: the same without regard to the video, (I, M).
        """
        others = others[:, None]  # (V, 1, M, D)
        if self.selects_partners:
            index = partners.nonzero()[:, 1].view(len(partners), -1)  # (I, M - 1)
            others, pairs = others[:, 0, index], pairs.gather(2, index.expand(len(pairs), -1, -1))
        weights = pairs / (pairs.sum(dim=2, keepdim=True) + 1e-11)  # (V, I, M)
        hidden = self.g_hidden(own[:, :, None] + others)  # (V, I, M, D)
        mean = (weights[:, :, None] @ hidden).squeeze(2)  # (V, I, D)
        if self.g2 is not None:
            # The bias of g's last layer belongs to each pair: without a pair the mean is the zero vector.
            mean = F.linear(mean, self.g2.weight) + weights.sum(dim=2, keepdim=True) * self.g2.bias
        return self.h2(torch.relu(self.h1(mean))) if self.h is None else self.h(mean)
