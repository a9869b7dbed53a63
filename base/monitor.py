"""Selection of the best epoch and early stopping."""

import math
from collections.abc import Mapping


class Monitor:
    """The best value so far of the metric that `trainer.monitor` names.

    Args:
        spec: "off", or "max <name>" or "min <name>".
        early_stop: the number of epochs without improvement after which to stop (None: never stop).
    """

    def __init__(self, spec: str, early_stop: int | None = None):
        self.mode, _, self.name = spec.partition(" ")
        self.early_stop = early_stop or math.inf
        self.best: float | None = None  # None before the first value
        self.epochs_since_best = 0

    def update(self, values: Mapping[str, float]) -> bool:
        """Return whether the values of an epoch are the best so far; always true if nothing is monitored.

        `values` must have the monitored name. NaN is never the best.
        """
        if self.mode == "off":
            return True
        value = values[self.name]
        better = self.best is None or (value > self.best if self.mode == "max" else value < self.best)
        if better and not math.isnan(value):
            self.best, self.epochs_since_best = value, 0
            return True
        self.epochs_since_best += 1
        return False

    @property
    def stalled(self) -> bool:
        """Return whether training should stop early."""
        return self.epochs_since_best >= self.early_stop
