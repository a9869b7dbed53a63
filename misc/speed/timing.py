"""Times of implementations that take turns."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from utils.progress import bar

CPU = torch.device("cpu")
WARM_UP = 2
SPEEDUP = "plain loops / ours"


class Clock:
    """Seconds of the parts of a step, by name, one number per step."""

    def __init__(self, device: torch.device):
        self.device = device
        self.parts: dict[str, list[float]] = {}
        self.last = 0.0  # when the current part began

    def mark(self, part: str) -> None:
        """End `part` and begin the next."""
        now = self.now()
        self.parts.setdefault(part, []).append(now - self.last)
        self.last = now

    def now(self) -> float:
        """Return seconds, after all queued work of a GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def measure(candidates: Mapping[str, Callable[[], object]], clock: Clock, repetitions: int) -> dict[str, list[float]]:
    """Return the seconds of each repetition of each candidate; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in bar(range(WARM_UP + repetitions), "steps"):
        for name, call in candidates.items():
            started = clock.now()
            call()
            seconds[name].append(clock.now() - started)
    clock.parts = {name: values[WARM_UP:] for name, values in clock.parts.items()}
    return {name: values[WARM_UP:] for name, values in seconds.items()}


def median(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each candidate."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def median_ratio(seconds: Mapping[str, Sequence[float]], first: str, second: str) -> float:
    """Return the median of the ratios of the times of two candidates."""
    return statistics.median(a / b for a, b in zip(seconds[first], seconds[second], strict=True))


def compare(candidates: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, Any]:
    """Return the seconds of each candidate, "plain loops" and "ours" among them, their medians and the speedup."""
    seconds = measure(candidates, Clock(CPU), repetitions)
    return {"seconds": seconds, "median": median(seconds), SPEEDUP: median_ratio(seconds, "plain loops", "ours")}


def print_comparison(figures: Mapping[str, Any]) -> None:
    """Print the result of `compare`."""
    for name, value in figures["median"].items():
        print(f"  {name:20} {1000 * value:8.2f} ms")
    print(f"  {SPEEDUP:20} {figures[SPEEDUP]:8.2f}")
