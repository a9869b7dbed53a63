"""The sum of the losses of an epoch."""

import torch
from helpers.training import CPU

from trainer.loop_helpers import LossSum


def test_the_sum_of_losses_keeps_the_first_nonfinite_step():
    """On a GPU, it is read at the end of an epoch."""
    losses = LossSum(CPU, 2.5)
    for step, loss in enumerate([1.0, 0.25]):
        losses.add(torch.tensor(loss), step)
    assert losses.first_nonfinite() is None and losses.total.item() == 3.75
    for step, loss in enumerate([1.0, torch.inf, torch.nan, 1.0], 2):
        losses.add(torch.tensor(loss), step)
    assert losses.first_nonfinite() == 3
