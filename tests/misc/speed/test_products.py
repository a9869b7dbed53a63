"""Recorded matrix products, against the formulas of their numbers of operations."""

import pytest
import torch
from torch import nn

from misc.speed.products import MAX_REPETITIONS, record_products
from misc.speed.timing import CPU, Clock

CALLS = {
    "linear": (lambda: nn.Linear(10, 20)(torch.rand(7, 10)), 2 * 7 * 10 * 20),
    "without bias": (lambda: nn.Linear(10, 20, bias=False)(torch.rand(2, 7, 10)), 2 * 2 * 7 * 10 * 20),
    "batch": (lambda: torch.rand(3, 4, 5) @ torch.rand(3, 5, 6), 2 * 3 * 4 * 5 * 6),
    "vector": (lambda: torch.rand(4, 5) @ torch.rand(5), 2 * 4 * 5),
    "transposed": (lambda: torch.rand(4, 5).T @ torch.rand(4, 6), 2 * 4 * 5 * 6),
    "einsum": (lambda: torch.einsum("tid,vid->tvi", torch.rand(4, 2, 5), torch.rand(3, 2, 5)), 2 * 4 * 2 * 5 * 3),
    "others": (lambda: torch.rand(4, 5) * torch.rand(4, 5) + 1, 0),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("inference", [True, False])
def test_all_products_of_a_computation_are_counted(name, inference):
    call, operations = CALLS[name]
    with torch.inference_mode(inference):
        result, products = record_products(call)
    assert isinstance(result, torch.Tensor) and products.operations == operations
    assert (products.measure(Clock(CPU)) > 0) == (operations > 0)


def test_products_that_are_repeated_count_as_often(monkeypatch):
    x = torch.rand(4, 4)
    _, products = record_products(lambda: [x @ x for _ in range(MAX_REPETITIONS + 3)])
    assert len(products.counts) == 1 and products.operations == (MAX_REPETITIONS + 3) * 2 * 64
    times = iter(range(100))
    monkeypatch.setattr("misc.speed.timing.time.perf_counter", lambda: float(next(times)))
    assert products.measure(Clock(CPU)) == (MAX_REPETITIONS + 3) / MAX_REPETITIONS  # the repetitions took one second
