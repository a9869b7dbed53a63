"""The matrix products of a computation, alone: the least time that it needs on this machine."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from misc.speed.timing import Clock

ATEN = torch.ops.aten
PRODUCTS = {  # function -> the product of its last two arguments
    ATEN.mm.default: torch.mm,
    ATEN.addmm.default: torch.mm,
    ATEN.bmm.default: torch.bmm,
    ATEN.baddbmm.default: torch.bmm,
    ATEN.mv.default: torch.mv,
}
MAX_REPETITIONS = 5  # of products of the same shapes
Layout = tuple[tuple[int, ...], tuple[int, ...]]  # shape and strides


class ProductRecorder(TorchDispatchMode):
    """A context that counts the matrix products within it, by function and layout of both factors."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[tuple[Any, Layout, Layout]] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 - of torch
        """Run a function, in parts if it consists of others; count it if it is a product."""
        with self:  # it is off within this function
            parts = function.decompose(*args, **(kwargs or {}))
        if parts is not NotImplemented:
            return parts
        if function in PRODUCTS:
            first, second = ((tuple(x.shape), x.stride()) for x in args[-2:])
            self.counts[PRODUCTS[function], first, second] += 1
        return function(*args, **(kwargs or {}))

    @property
    def operations(self) -> int:
        """The number of multiplications and additions."""
        return sum(
            2 * n * math.prod(first[0]) * math.prod(second[0][len(first[0]) - 1 :])
            for (_, first, second), n in self.counts.items()
        )

    def measure(self, clock: Clock) -> float:
        """Return the seconds of all products with random numbers on the device of a clock, without those that make them.

        Products of the same layout are repeated at most `MAX_REPETITIONS` times, after one that does not count.
        """
        seconds = 0.0
        for (product, *layouts), count in self.counts.items():
            first, second = (torch.empty_strided(*layout, device=clock.device).uniform_(-1, 1) for layout in layouts)
            out = product(first, second)
            repetitions = min(count, MAX_REPETITIONS)
            started = clock.now()
            for _ in range(repetitions):
                product(first, second, out=out)
            seconds += count * (clock.now() - started) / repetitions
        return seconds


def record_products(call: Callable[[], Any]) -> tuple[Any, ProductRecorder]:
    """Return the result of a function without arguments, and the products in it."""
    with ProductRecorder() as recorder:
        result = call()
    return result, recorder
