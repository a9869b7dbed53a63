"""Data-parallel training of one model, with the same numbers as in one process up to rounding.

Each process has a copy of the model and embeds its share of every batch. The embeddings of all processes are gathered with
gradients, so that each process computes the loss of the whole batch with all its negatives (`DataParallelCENet`). Batch
norms take their statistics from the whole batch (`synchronize_batch_norms`). The gradients are averaged over the processes
before each step of the optimizer (`average_gradients`).
"""

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

# The function that the documentation of `torch.distributed.nn.functional.all_gather`, which is deprecated, refers to.
from torch.distributed._functional_collectives import all_gather_single_autograd

from model.model import CENet
from model.net_vlad import MaskedBatchNorm1d
from model.reasoning import PairBatchNorm1d
from model.similarity import TextEmbedding, VideoEmbedding
from trainer.distributed import get_world_size


class DataParallelCENet(nn.Module):
    """One of several copies of a model, which embeds part of a batch and scores the whole batch."""

    def __init__(self, model: CENet):
        super().__init__()
        self.model = model
        self.modalities = model.modalities
        self.embed_text, self.embed_video, self.raise_if_nan = model.embed_text, model.embed_video, model.raise_if_nan

    def forward(
        self,
        text: Tensor,
        experts: Mapping[str, Tensor],
        ind: Mapping[str, Tensor],
        word_mask: Tensor,
        frame_masks: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Score the captions and videos of all processes, in the order of the processes; `CENet.forward` has the arguments.

        Returns:
            `cross_view_conf_matrix` only, (S, S) with S the videos of all processes, averaged over the captions per video.
        """
        words = self.model.embed_text(text, word_mask)
        video = self.model.embed_video(experts, ind, frame_masks)
        mask = word_mask.any(dim=-1).float()
        *embeddings, weights, available, mask = _gather_rows(
            [*words.experts, *video.experts, words.weights, video.available, mask], len(text)
        )
        words = TextEmbedding(embeddings[: len(words.experts)], weights)
        video = VideoEmbedding(embeddings[len(words.experts) :], available)
        return {"cross_view_conf_matrix": self.model.score(words, video, mask.bool())}


class SyncMaskedBatchNorm1d(MaskedBatchNorm1d):
    """Batch normalization by the mean and variance of the tokens of all processes, any number in each.

    Counts, means and variances are gathered with gradients and combined by the law of total variance. Outputs, gradients
    and running statistics are those of one process with all tokens. (`nn.SyncBatchNorm` works on GPUs only.)
    """

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalize `tokens` (N, C), where `valid` (N,) is true for the tokens that count (None: all)."""
        if valid is None:
            valid = torch.ones(len(tokens), dtype=torch.bool, device=tokens.device)
        return super().forward(tokens, valid)

    def statistics(self, tokens: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return number, mean (C,) and variance (C,) of the tokens (N, C) of all processes whose `weight` (N, 1) is 1."""
        return _combine_statistics(*super().statistics(tokens, weight))


class SyncPairBatchNorm1d(PairBatchNorm1d):
    """Batch normalization of pairs of experts by the statistics of the videos of all processes."""

    def normalize(self, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `x` (B, C) normalized, scaled and shifted, with the mean and unbiased variance (C,) of all processes."""
        var, mean = torch.var_mean(x, dim=0, correction=0)
        count, mean, var = _combine_statistics(x.new_tensor(len(x)), mean, var)
        normalized = (x - mean) * torch.rsqrt(var + self.eps) * weight + bias
        return normalized, mean.detach(), var.detach() * count / (count - 1).clamp(min=1)


# Class of a batch norm -> its class in training with several processes.
SYNCHRONIZED = {
    nn.BatchNorm1d: SyncMaskedBatchNorm1d,
    MaskedBatchNorm1d: SyncMaskedBatchNorm1d,
    PairBatchNorm1d: SyncPairBatchNorm1d,
}


def synchronize_batch_norms(model: nn.Module) -> None:
    """Replace the batch norms of `model` by those of `SYNCHRONIZED`, if there are several processes."""
    if get_world_size() == 1:
        return
    for parent in list(model.modules()):
        for name, norm in parent.named_children():
            if isinstance(norm, nn.BatchNorm1d):
                synced = SYNCHRONIZED[type(norm)](norm.num_features, norm.eps, norm.momentum).train(norm.training)
                for key, tensor in (*norm.named_parameters(), *norm.named_buffers()):  # the same tensors, no copies
                    setattr(synced, key, tensor)
                setattr(parent, name, synced)


def average_gradients(*modules: nn.Module) -> None:
    """Replace the gradients by their mean over all processes, each of which has the loss of the whole batch."""
    if get_world_size() == 1:
        return
    gradients = [x.grad for module in modules for x in module.parameters() if x.grad is not None]
    for work in [dist.all_reduce(x, async_op=True) for x in gradients]:
        work.wait()
    torch._foreach_div_(gradients, get_world_size())


def gather_labels(labels: Tensor) -> Tensor:
    """Return the labels, (B,), of the videos of all processes, in the order of the processes."""
    return labels if get_world_size() == 1 else _gather_rows([labels], len(labels))[0]


def _combine_statistics(count: Tensor, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return number, mean (C,) and variance (C,) of the rows of all processes, from those of each, with gradients."""
    gathered = _all_gather(torch.cat([count[None], mean, var]))  # (R, 1 + 2C)
    counts, means, variances = gathered.split([1, len(mean), len(mean)], dim=1)
    count = counts.sum()
    shares = counts / count.clamp(min=1)  # (R, 1)
    mean = (shares * means).sum(dim=0)
    return count, mean, (shares * (variances + (means - mean).square())).sum(dim=0)


def _all_gather(x: Tensor) -> Tensor:
    """Return the tensors of all R processes, of the same shape, stacked: (R, ...).

    The gradient of `x` is the sum of the gradients of all processes: that of the sum of their losses.
    """
    return all_gather_single_autograd(x.unsqueeze(0), 0, dist.group.WORLD)


def _gather_rows(tensors: Sequence[Tensor], count: int) -> list[Tensor]:
    """Concatenate each of `tensors`, of some rows for each of `count` videos, with those of the other processes."""
    counts = _all_gather(torch.tensor(count)).tolist()  # on the CPU, so as not to wait for a GPU
    rows = torch.cat([x.reshape(count, -1) for x in tensors], dim=1)
    gathered = _all_gather(F.pad(rows, (0, 0, 0, max(counts) - count)))  # (R, largest count, sum of widths)
    rows = torch.cat([x[:n] for x, n in zip(gathered, counts, strict=True)])
    columns = rows.split([x.numel() // count for x in tensors], dim=1)
    return [x.reshape(-1, *like.shape[1:]).to(like.dtype) for x, like in zip(columns, tensors, strict=True)]
