"""One model trained by several processes, so that the numbers are those of one process but for rounding.

Each process has a copy of the model and embeds its share of every batch. The embeddings of all are gathered with
gradients, so that each process computes the same loss, that of the whole batch with all its negatives; batch norms take
their statistics from the whole batch; and the gradients of all processes are averaged before a step of the optimiser.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from model.model import CENet
from model.net_vlad import MaskedBatchNorm1d
from model.similarity import TextEmbedding, VideoEmbedding
from trainer.distributed import get_rank, get_world_size, wrap_communication_errors


def replica(model: CENet, optimizer: torch.optim.Optimizer) -> nn.Module:
    """What to train: `model`, or with several processes what scores the batches of all of them together.

    Then a step of `optimizer` is taken by the mean of the gradients of all processes: one exchange a step, however many
    batches it is for.
    """
    if get_world_size() == 1:
        return model
    optimizer.register_step_pre_hook(lambda *_: _average_gradients(model))
    return DataParallelCENet(model)


class DataParallelCENet(nn.Module):
    """One of several copies of a model, each of which embeds a part of a batch, and all of which score the whole.

    The batch norms of the model become `JointBatchNorm1d`.
    """

    def __init__(self, model: CENet):
        super().__init__()
        self.model = model
        self.modalities, self.embed_text, self.embed_video = model.modalities, model.embed_text, model.embed_video
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.__class__ = SyncMaskedBatchNorm1d

    def forward(
        self,
        text: Tensor,
        experts: Mapping[str, Tensor],
        ind: Mapping[str, Tensor],
        raw_captions: list | None = None,
        word_mask: Tensor | None = None,
        frame_masks: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The similarities of the videos and captions of all processes, in their order; arguments as of `CENet.forward`."""
        words = self.model.embed_text(text, word_mask)
        video = self.model.embed_video(experts, ind, frame_masks)
        mask = torch.ones(text.shape[:2], device=text.device) if word_mask is None else word_mask.any(dim=-1).float()
        *embeddings, weights, available, mask = _gathered(
            [*words.experts, *video.experts, words.weights, video.available, mask], len(text)
        )
        words = TextEmbedding(embeddings[: len(words.experts)], weights)
        video = VideoEmbedding(embeddings[len(words.experts) :], available)
        return {"cross_view_conf_matrix": self.model.score(words, video, mask.bool())}


class SyncMaskedBatchNorm1d(MaskedBatchNorm1d):
    """Batch normalisation by the mean and the variance of the tokens of all processes, of which they may have any number.

    Numbers, means and variances are gathered with gradients and combined by the law of total variance, so that outputs,
    gradients and running statistics are those of one process with all tokens. torch's own is for GPUs alone.
    """

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """As the base class; without `valid` all tokens count."""
        if valid is None:
            valid = torch.ones(len(tokens), dtype=torch.bool, device=tokens.device)
        return super().forward(tokens, valid)

    def statistics(self, tokens: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Number, mean (C,) and variance (C,) of the tokens of all processes."""
        count, mean, var = super().statistics(tokens, weight)
        every = _Gather.apply(torch.cat([count[None], mean, var]))  # (R, 1 + 2C)
        counts, means, variances = every.split([1, self.num_features, self.num_features], dim=1)
        count = counts.sum()
        shares = counts / count.clamp(min=1)  # (R, 1)
        mean = (shares * means).sum(dim=0)
        return count, mean, (shares * (variances + (means - mean).square())).sum(dim=0)


class _Gather(torch.autograd.Function):
    """The tensors of all R processes, of one shape: (R, ...).

    What is differentiated is the sum of the losses of all processes: the gradient of a tensor is the sum of what each of
    them says of it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """All of them."""
        every = [torch.empty_like(x) for _ in range(get_world_size())]
        with wrap_communication_errors():
            dist.all_gather(every, x)
        return torch.stack(every)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The gradient of this process's own."""
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        with wrap_communication_errors():
            dist.all_reduce(gradient)
        return gradient[get_rank()]


def _gathered(parts: Sequence[Tensor], number: int) -> list[Tensor]:
    """Each of `parts`, of `number` rows or a multiple, with those of the other processes, which may have another number."""
    numbers = _Gather.apply(torch.tensor(number)).tolist()  # on the CPU, so that no GPU is waited for
    rows = torch.cat([x.reshape(number, -1) for x in parts], dim=1)
    every = _Gather.apply(F.pad(rows, (0, 0, 0, max(numbers) - number)))  # (R, the largest number, sum of widths)
    rows = torch.cat([x[:n] for x, n in zip(every, numbers, strict=True)])
    columns = rows.split([x.numel() // number for x in parts], dim=1)
    return [x.reshape(-1, *part.shape[1:]).to(part.dtype) for x, part in zip(columns, parts, strict=True)]


def _average_gradients(model: nn.Module) -> None:
    """Replace the gradients by their mean over all processes: those of the sum of R losses, each of which is the whole."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    with wrap_communication_errors():
        for work in [dist.all_reduce(x, async_op=True) for x in gradients]:
            work.wait()
    torch._foreach_div_(gradients, get_world_size())
