"""A plain implementation of CE, of both releases: a loop over pairs, separate layers per expert, and T x V x M scores.

`model/` has the same names in its state dict, and the same results.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainNetVLAD(nn.Module):
    """Residuals of tokens to clusters; padding is removed before the batch norm and inserted again after it."""

    def __init__(self, feature_size: int, cluster_size: int, num_ghosts: int = 0):
        super().__init__()
        self.num_ghosts = num_ghosts
        self.clusters = nn.Parameter(torch.randn(feature_size, cluster_size + num_ghosts) / feature_size**0.5)
        self.clusters2 = nn.Parameter(torch.randn(1, feature_size, cluster_size) / feature_size**0.5)
        self.batch_norm = nn.BatchNorm1d(cluster_size + num_ghosts)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Pool N sequences `x`, (N, L, d), to (N, d * C); `mask`, (N, L), is true for valid tokens."""
        valid = self.batch_norm(x[mask] @ self.clusters)  # (number of valid tokens, C)
        assignment = x.new_zeros(*mask.shape, valid.shape[1])  # (N, L, C)
        assignment[mask] = torch.softmax(valid, dim=1).to(x.dtype)
        assignment = assignment[..., : valid.shape[1] - self.num_ghosts]
        residual = torch.bmm(x.transpose(1, 2), assignment) - assignment.sum(dim=1, keepdim=True) * self.clusters2
        return F.normalize(F.normalize(residual, dim=1).flatten(1), dim=1)


def gate_layers(dim: int, *batch_norms: str) -> nn.ModuleDict:
    """Return the linear layer of a gate and its batch norms, by the names that they have in `model/`."""
    return nn.ModuleDict({"fc": nn.Linear(dim, dim), **{name: nn.BatchNorm1d(dim) for name in batch_norms}})


class PlainCollaborativeGating(nn.Module):
    """g runs on every pair of experts, concatenated; its mean goes through h."""

    def __init__(self, num_experts: int, dim: int):
        super().__init__()
        self.g1, self.g2 = nn.Linear(2 * dim, dim), nn.Linear(dim, dim)
        self.h1, self.h2 = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.modulation = nn.ModuleList(gate_layers(dim, "batch_norm_gate", "batch_norm_self") for _ in range(num_experts))

    def forward(self, experts: list[Tensor], available: Tensor) -> list[Tensor]:
        """Gate M `experts` (V, d), `available` (V, M)."""
        gated = []
        for i, x in enumerate(experts):
            total, count = torch.zeros_like(x), 0
            for j, y in enumerate(experts):
                if i != j:
                    pair = (available[:, i] * available[:, j])[:, None]  # (V, 1)
                    total = total + pair * self.g2(torch.relu(self.g1(torch.cat([x, y], dim=1))))
                    count = count + pair
            gate = self.h2(torch.relu(self.h1(total / (count + 1e-11))))
            layers = self.modulation[i]
            gate = torch.sigmoid(layers["batch_norm_gate"](gate) + layers["batch_norm_self"](layers["fc"](x)))
            gated.append(F.normalize(x * gate, dim=1))
        return gated


class PlainCorrectedGating(nn.Module):
    """The gate of the corrected release with its defaults; g is called for each pair, h is the identity."""

    def __init__(self, num_experts: int, dim: int):
        super().__init__()
        self.g1, self.g2 = nn.Linear(2 * dim, dim), nn.Linear(dim, dim)
        self.g_hidden = nn.Sequential(nn.BatchNorm1d(dim), nn.Mish(), nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.Mish())
        self.modulation = nn.ModuleList(gate_layers(dim, "batch_norm_gate", "batch_norm_self") for _ in range(num_experts))

    def forward(self, experts: list[Tensor], available: Tensor) -> list[Tensor]:
        """Gate M `experts` (V, d), `available` (V, M)."""
        gated = []
        for i, x in enumerate(experts):
            total, count = torch.zeros_like(x), 0
            for j, y in enumerate(experts):
                pair = (available[:, i] * available[:, j])[:, None]  # (V, 1)
                total = total + pair * self.g2(self.g_hidden(self.g1(torch.cat([x, y], dim=1))))
                count = count + pair
            layers = self.modulation[i]
            gate = layers["batch_norm_gate"](total / (count + 1e-11)) + layers["batch_norm_self"](layers["fc"](x))
            gated.append(F.normalize(x * torch.sigmoid(gate), dim=1))
        return gated


class PlainCE(nn.Module):
    """CE with masked padding and all experts gated together; arguments as of `CENet`, with `use_ce` true or "pairwise"."""

    def __init__(
        self,
        expert_dims: Mapping[str, tuple[int, int]],
        text_dim: int,
        vlad_clusters: Mapping[str, int],
        use_ce: bool | str = True,
        num_ghosts: int = 0,
    ):
        super().__init__()
        self.modalities = sorted(expert_dims)
        dims = [expert_dims[name] for name in self.modalities]
        pooled = text_dim * vlad_clusters["text"]
        self.text_pooling = PlainNetVLAD(text_dim, vlad_clusters["text"], num_ghosts)
        clusters = [vlad_clusters.get(name) for name in self.modalities]
        self.pooling = nn.ModuleList(
            PlainNetVLAD(dim // c, c) if c else nn.Identity() for (dim, _), c in zip(dims, clusters, strict=True)
        )
        self.moe_fc = nn.Linear(pooled, len(dims))
        self.video_dim_reduce = nn.ModuleList(nn.ModuleDict({"fc": nn.Linear(*pair)}) for pair in dims)
        gating = PlainCorrectedGating if use_ce == "pairwise" else PlainCollaborativeGating
        self.collaborative_gating = gating(len(dims), dims[0][1])
        self.text_units = nn.ModuleList(
            nn.ModuleDict({"fc": nn.Linear(pooled, dim), "cg": gate_layers(dim, "batch_norm")}) for _, dim in dims
        )

    def forward(
        self,
        text: Tensor,
        experts: Mapping[str, Tensor],
        ind: Mapping[str, Tensor],
        word_mask: Tensor,
        frame_masks: Mapping[str, Tensor],
    ) -> Tensor:
        """Return the scores (V, V) of V videos with one caption each, for the inputs of `CENet.forward`."""
        pooled = self.text_pooling(text.squeeze(1), word_mask.squeeze(1))
        texts = []
        for unit in self.text_units:
            x = unit["fc"](pooled)
            gate = unit["cg"]["batch_norm"](unit["cg"]["fc"](x))  # context gating: x * sigmoid(gate)
            texts.append(F.normalize(F.glu(torch.cat([x, gate], dim=1), dim=1), dim=1))
        texts = torch.stack(texts, dim=1)  # (T, M, d)
        weights = torch.softmax(self.moe_fc(pooled), dim=1)  # (T, M)
        available = torch.stack([ind[name] for name in self.modalities], dim=1)  # (V, M)
        videos = []
        for name, pool, reduce in zip(self.modalities, self.pooling, self.video_dim_reduce, strict=True):
            x = torch.nan_to_num(experts[name])
            videos.append(F.normalize(reduce["fc"](pool(x, frame_masks[name]) if name in frame_masks else x), dim=1))
        videos = torch.stack(self.collaborative_gating(videos, available), dim=1)  # (V, M, d)
        shares = weights[:, None] * available[None]  # (T, V, M)
        shares = shares / shares.sum(dim=2, keepdim=True).clamp(min=1e-12)
        return (shares * torch.einsum("tmd,vmd->tvm", texts, videos)).sum(dim=2)


def plain_loss(sims: Tensor) -> Tensor:
    """Return the mean hinge (margin 0.2) of the off-diagonal scores (n, n) against the diagonal, by row and by column."""
    n = len(sims)
    match = sims.diag()
    rows = F.relu(0.2 - match[:, None].expand(n, n) + sims)
    columns = F.relu(0.2 - match[None].expand(n, n) + sims)
    keep = ~torch.eye(n, dtype=torch.bool, device=sims.device)
    return torch.cat([rows[keep], columns[keep]]).mean()
