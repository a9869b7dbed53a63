"""Training losses.

A loss takes the similarities of a batch, (n, n), a row per text and a column per video, with matching pairs on the diagonal.
One whose attribute `exclude_duplicates` is true also takes `duplicates`, (n, n), true where texts i and j are the same
caption: text i then describes video j too, so that neither (i, j) nor (j, i) is a negative. Its diagonal is ignored.
"""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from utils.errors import InputError

# The lowest temperature is that of CLIP, which limits the factor of its similarities to 100; the highest keeps it finite.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100.0


class MaxMarginRankingLoss(nn.Module):
    """Bidirectional max-margin ranking loss (Socher et al., 2014; Liu et al., 2019, section 3.3).

    With s_ij the similarity of text i and video j, the mean of max(0, margin + s_ij - s_ii) and max(0, margin + s_ij - s_jj)
    over the 2 n (n - 1) terms with i != j. (The mean is that of the 2019 release; the paper divides the sum by n.)

    Args:
        margin: margin by which the similarity of a matching pair has to exceed that of others.
        fix_norm: leave out the terms with i = j. If false, these 2 n terms, each equal to the margin, count too: the mean is
            over 2 n^2 terms.
        hardest_negatives: for each of the n texts and n videos, use only the largest of its terms with i != j (VSE++,
            Faghri et al., BMVC 2018, equation 6): the mean is over 2 n terms. A query without a negative has a term of 0.
        exclude_duplicates: leave out the terms of negatives that are duplicates, and divide by the number of the others.

    Raises:
        InputError: `hardest_negatives` without `fix_norm`.
    """

    def __init__(
        self,
        margin: Annotated[float, Field(ge=0)] = 0.2,
        fix_norm: bool = True,
        hardest_negatives: bool | None = None,  # None is false: configs of earlier runs do not have this key and the next
        exclude_duplicates: bool | None = None,
    ):
        super().__init__()
        if hardest_negatives and not fix_norm:
            raise InputError("fix_norm: found false with hardest_negatives, expected true: no text is its own negative")
        self.margin = margin
        self.fix_norm = fix_norm
        self.hardest_negatives = bool(hardest_negatives)
        self.exclude_duplicates = bool(exclude_duplicates)

    def forward(self, sims: Tensor, duplicates: Tensor | None = None) -> Tensor:
        """Return the loss of a batch.

        Args:
            sims: similarities (n, n), a row per text and a column per video, matching pairs on the diagonal.
            duplicates: (n, n), true where two texts are the same caption (None: all differ).

        Raises:
            InputError: `sims` is not square, or holds a single pair, which cannot be ranked.
        """
        n = _count_pairs(sims)
        match = sims.diagonal()
        of_texts, of_videos = torch.relu(self.margin + sims - match[:, None]), torch.relu(self.margin + sims - match[None])
        if self.hardest_negatives:
            ignored = torch.eye(n, dtype=torch.bool, device=sims.device)
            if duplicates is not None:
                ignored = ignored | duplicates
            hardest = of_texts.masked_fill(ignored, 0).amax(dim=1) + of_videos.masked_fill(ignored, 0).amax(dim=0)
            return hardest.sum() / (2 * n)
        hinge, count = of_texts + of_videos, n * n
        if self.fix_norm:
            hinge, count = hinge.fill_diagonal_(0), n * (n - 1)
        if duplicates is not None:
            ignored = _without_diagonal(duplicates)
            hinge, count = hinge.masked_fill(ignored, 0), (count - ignored.sum()).clamp(min=1)
        return hinge.sum() / (2 * count)


class ContrastiveLoss(nn.Module):
    """Symmetric cross-entropy over s / t (Radford et al., 2021, figure 3; InfoNCE: van den Oord et al., 2018).

    With s_ij the similarity of text i and video j and t the temperature, the mean over i of
    -log(exp(s_ii / t) / sum_j exp(s_ij / t)) and -log(exp(s_ii / t) / sum_j exp(s_ji / t)).

    Args:
        temperature: t, at the start if it is learned.
        learnable: learn t, as the logarithm of 1 / t, without weight decay. It stays within the limits above.
        exclude_duplicates: leave out of the sums the negatives that are duplicates.
    """

    def __init__(
        self,
        temperature: Annotated[float, Field(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE)] = 0.07,
        learnable: bool = True,
        exclude_duplicates: bool = True,
    ):
        super().__init__()
        self.exclude_duplicates = exclude_duplicates
        log_scale = torch.tensor(-math.log(temperature))
        if learnable:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale, persistent=False)

    def forward(self, sims: Tensor, duplicates: Tensor | None = None) -> Tensor:
        """Return the loss of a batch; arguments and errors are those of `MaxMarginRankingLoss.forward`."""
        n = _count_pairs(sims)
        with torch.no_grad():  # as in CLIP: a bound on the value, which keeps its gradient, so that it can move back
            self.log_scale.clamp_(-math.log(MAX_TEMPERATURE), -math.log(MIN_TEMPERATURE))
        logits = sims * self.log_scale.exp()
        if duplicates is not None:
            logits = logits.masked_fill(_without_diagonal(duplicates), -torch.inf)
        target = torch.arange(n, device=sims.device)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    def log_values(self) -> dict[str, float]:
        """Return the values to log after each epoch, by name."""
        temperature = (-self.log_scale).exp().item()
        return {"temperature": min(max(temperature, MIN_TEMPERATURE), MAX_TEMPERATURE)}  # the last step may have left them


def _count_pairs(sims: Tensor) -> int:
    """Return n for similarities (n, n); raise an `InputError` for another shape or a single pair."""
    if sims.ndim != 2 or sims.shape[0] != sims.shape[1] or sims.shape[0] < 2:
        raise InputError(f"ranking loss: similarities of shape {tuple(sims.shape)}, expected n x n with n of at least 2")
    return len(sims)


def _without_diagonal(mask: Tensor) -> Tensor:
    """Return a copy of a mask (n, n) that is false on the diagonal."""
    return mask.clone().fill_diagonal_(False)


def distillation_loss(sims: Tensor, teacher_sims: Tensor) -> Tensor:
    """Return the mean over all n x n entries of huber(sims - teacher_sims), with delta 1 (Croitoru et al., ICCV 2021).

    TeachText adds it to the ranking loss. Matching pairs on the diagonal count too; `teacher_sims` has no gradient.
    """
    return F.huber_loss(sims, teacher_sims.detach())
