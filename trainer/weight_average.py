"""An exponential moving average of the weights of a model, and its place in checkpoints."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.model import CENet
from model.published import load_weights


class WeightAverage:
    """An exponential moving average of the parameters and buffers of a model (Polyak averaging).

    After step t (from 0) of the optimizer the average becomes d * average + (1 - d) * weights, with
    d = min(decay, (1 + t) / (10 + t)), so that the random weights of the start are forgotten whatever the decay.
    This bounds d: the average spans about the last ninth of the steps at most, also where a training is short for its decay.

    The running statistics of batch norms are averaged like the weights: they describe activations of the weights of each
    step, and copies of the last ones would not fit weights that are older on average. Whole numbers, such as counts of
    batches, are copied.

    Attributes:
        model: model with the averaged weights, in which nothing is trained.
        num_updates: number of steps that were averaged.
    """

    def __init__(self, model: CENet, decay: float):
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay, self.num_updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Add the weights of `model`, or of the model in a `DataParallelCENet`, after a step of the optimizer."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        averages, values = ([*net.parameters(), *net.buffers()] for net in (self.model, model))
        pairs = list(zip(averages, values, strict=True))
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([average for average, _ in floats], [value for _, value in floats], 1 - decay)
        for average, value in pairs:
            if not average.is_floating_point():
                average.copy_(value)
        self.num_updates += 1


def checkpoint_weights(model: CENet, average: WeightAverage | None) -> dict[str, Any]:
    """Return the entries of a checkpoint with the weights; `state_dict` are those to evaluate, the averaged ones if any."""
    if average is None:
        return {"state_dict": model.state_dict()}
    return {
        "state_dict": average.model.state_dict(),
        "raw_state_dict": model.state_dict(),
        "ema_updates": average.num_updates,
    }


def load_training_weights(model: CENet, average: WeightAverage | None, state: dict[str, Any], path: Path) -> None:
    """Load the weights of checkpoint `state`, read from `path`, to resume its training.

    The average of a checkpoint without one starts with its weights.

    Raises:
        InputError: the weights are of another model.
    """
    load_weights(model, {**state, "state_dict": state.get("raw_state_dict", state["state_dict"])}, path)
    if average is not None:
        load_weights(average.model, state, path)
        average.num_updates = state.get("ema_updates", 0)
