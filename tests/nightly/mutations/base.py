"""Mutations of base/."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "base/monitor.py",
        "if better and not math.isnan(value):",
        "if better:",
        "tests/base/test_monitor.py",
        "NaN can be the best value",
    ),
    Mutation(
        "base/monitor.py",
        "return self.epochs_since_best >= self.early_stop",
        "return self.epochs_since_best > self.early_stop",
        "tests/base/test_monitor.py",
        "training stops an epoch late",
    ),
]
