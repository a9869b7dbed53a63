"""Training on batches, for tests."""

import torch

from model.loss import MaxMarginRankingLoss
from trainer.loop_helpers import LossSum
from trainer.trainer import train_batches

CPU = torch.device("cpu")


class Losses(LossSum):
    """A sum of losses that also records each loss."""

    def __init__(self, *args):
        super().__init__(*args)
        self.all = []

    def add(self, loss, step):
        super().add(loss, step)
        self.all.append(loss)


def train_steps(model, optimizer, batches, loss_function=None, **options):
    """Train one epoch on `batches` and return the loss of each, by default the ranking loss."""
    losses = Losses(CPU)
    train_batches(model, loss_function or MaxMarginRankingLoss(), optimizer, batches, CPU, losses, **options)
    return torch.stack(losses.all)
