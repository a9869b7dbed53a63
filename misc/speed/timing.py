"""Comparison of the times of implementations that take turns."""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch

from misc.speed.step import Clock, measure

CPU = torch.device("cpu")
SPEEDUP = "plain loops / ours"


def compare(candidates: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, Any]:
    """Return the seconds of each candidate, "plain loops" and "ours" among them, their medians and the speedup."""
    seconds = measure(candidates, Clock(CPU), repetitions)
    return {
        "seconds": seconds,
        "median": {name: statistics.median(values) for name, values in seconds.items()},
        SPEEDUP: statistics.median(a / b for a, b in zip(seconds["plain loops"], seconds["ours"], strict=True)),
    }


def print_comparison(figures: Mapping[str, Any]) -> None:
    """Print the result of `compare`."""
    for name, value in figures["median"].items():
        print(f"  {name:20} {1000 * value:8.2f} ms")
    print(f"  {SPEEDUP:20} {figures[SPEEDUP]:8.2f}")
