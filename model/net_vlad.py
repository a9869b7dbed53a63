"""NetVLAD: a learned residual aggregation of a variable number of tokens (Arandjelovic et al., CVPR 2016)."""

import torch
from torch import Tensor, nn

# Smaller lengths are replaced by this one before a division.
EPS = 1e-12


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalization of tokens of which some are padding.

    Without a mask it is `nn.BatchNorm1d`. With one, only valid tokens enter the statistics. A training batch with fewer
    than two valid tokens has no variance: it is normalized by the running statistics and does not update them.
    """

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalize `tokens` (N, C), where `valid` (N,) is true for the tokens that count."""
        tokens = tokens.to(self.weight.dtype)  # statistics and assignments are not for bfloat16
        if valid is None or not self.training:
            return super().forward(tokens)
        count, mean, var = self.statistics(tokens, valid.to(tokens.dtype)[:, None])
        enough = count > 1
        with torch.no_grad():
            momentum = self.momentum * enough.to(mean.dtype)
            unbiased = var * count / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(unbiased, momentum)
            self.num_batches_tracked += enough
        mean = torch.where(enough, mean, self.running_mean)
        var = torch.where(enough, var, self.running_var)
        return (tokens - mean) * torch.rsqrt(var + self.eps) * self.weight + self.bias

    def statistics(self, tokens: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return number, mean (C,) and variance (C,) of the `tokens` (N, C) whose `weight` (N, 1) is 1; others have 0."""
        count = weight.sum()
        mean = (tokens * weight).sum(0) / count.clamp(min=1)  # (C,)
        return count, mean, ((tokens - mean).square() * weight).sum(0) / count.clamp(min=1)


class NetVLAD(nn.Module):
    """An aggregation of L tokens of dimension d into C residuals, one per cluster.

    With soft assignments s = softmax(BN(x @ clusters)), V[d, c] = sum_n s[n, c] (x[n, d] - clusters2[d, c]). Each cluster's
    residual is L2-normalized over d, then the whole, flattened d-major.

    Ghost clusters take part in the softmax only: what is assigned to them is left out of V (Zhong et al., ACCV 2018).

    Args:
        feature_size: dimension d of a token.
        cluster_size: number of clusters C.
        ghost_clusters: number of ghost clusters G, the last columns of `clusters` (d, C + G).
    """

    def __init__(self, feature_size: int, cluster_size: int, ghost_clusters: int = 0):
        super().__init__()
        scale = feature_size**-0.5
        self.cluster_size = cluster_size
        self.clusters = nn.Parameter(scale * torch.randn(feature_size, cluster_size + ghost_clusters))
        self.clusters2 = nn.Parameter(scale * torch.randn(1, feature_size, cluster_size))
        self.batch_norm = MaskedBatchNorm1d(cluster_size + ghost_clusters)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool `x` (N, L, d) to (N, d * C); `mask` (N, L) is true for valid tokens (None: all are).

        A row without a valid token is pooled to zeros.
        """
        n, num_tokens, d = x.shape
        logits = x.reshape(n * num_tokens, d) @ self.clusters  # (N * L, C + G)
        logits = self.batch_norm(logits, None if mask is None else mask.reshape(n * num_tokens))
        assignment = logits.softmax(dim=1)[:, : self.cluster_size].reshape(n, num_tokens, self.cluster_size)  # (N, L, C)
        if mask is not None:
            assignment = assignment * mask[..., None]
        mass = assignment.sum(dim=1, keepdim=True)  # (N, 1, C)
        residual = torch.addcmul(x.transpose(1, 2) @ assignment, mass, self.clusters2, value=-1)  # (N, d, C)
        return (residual * _scales(residual)).view(n, d * self.cluster_size)


class MeanPooling(nn.Module):
    """The mean of the valid tokens, in place of `NetVLAD`; captions that were averaged when they were read have one."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool `x` (N, L, d) to (N, d); `mask` (N, L) is true for valid tokens (None: all are)."""
        if mask is None:
            return x.mean(dim=1)
        return (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _scales(residual: Tensor) -> Tensor:
    """Return the factors (N, 1, C) that scale each cluster of `residual`, (N, d, C), to unit length, and then the whole.

    The length of the whole follows from those of the clusters, so that the large tensor is read once, and scaled once.
    """
    lengths = torch.linalg.vector_norm(residual, dim=1, keepdim=True)  # (N, 1, C)
    to_unit = lengths.clamp_min(EPS).reciprocal()
    whole = torch.linalg.vector_norm(lengths * to_unit, dim=2, keepdim=True)  # (N, 1, 1)
    return to_unit / whole.clamp_min(EPS)
