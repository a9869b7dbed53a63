"""Training losses."""

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from utils.errors import InputError


class MaxMarginRankingLoss(nn.Module):
    """Bidirectional max-margin ranking loss (Socher et al., 2014; Liu et al., 2019, section 3.3).

    With s_ij the similarity of text i and video j, the mean of max(0, margin + s_ij - s_ii) and max(0, margin + s_ij - s_jj)
    over the 2 n (n - 1) terms with i != j. (The mean is that of the 2019 release; the paper divides the sum by n.)

    Args:
        margin: margin by which the similarity of a matching pair has to exceed that of others.
        fix_norm: leave out the terms with i = j. If false, these 2 n terms, each equal to the margin, count too: the mean is
            over 2 n^2 terms.
    """

    def __init__(self, margin: Annotated[float, Field(ge=0)] = 0.2, fix_norm: bool = True):
        super().__init__()
        self.margin = margin
        self.fix_norm = fix_norm

    def forward(self, sims: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            sims: similarities (n, n), a row per text and a column per video, matching pairs on the diagonal.

        Raises:
            InputError: `sims` is not square, or holds a single pair, which cannot be ranked.
        """
        if sims.ndim != 2 or sims.shape[0] != sims.shape[1] or sims.shape[0] < 2:
            raise InputError(f"ranking loss: similarities of shape {tuple(sims.shape)}, expected n x n with n of at least 2")
        n = sims.shape[0]
        match = sims.diagonal()
        hinge = torch.relu(self.margin + sims - match[:, None]) + torch.relu(self.margin + sims - match[None])
        if self.fix_norm:
            return hinge.fill_diagonal_(0).sum() / (2 * n * (n - 1))
        return hinge.sum() / (2 * n * n)


def distillation_loss(sims: Tensor, teacher_sims: Tensor) -> Tensor:
    """Return the mean over all n x n entries of huber(sims - teacher_sims), with delta 1 (Croitoru et al., ICCV 2021).

    TeachText adds it to the ranking loss. Matching pairs on the diagonal count too; `teacher_sims` has no gradient.
    """
    return F.huber_loss(sims, teacher_sims.detach())
