"""The limit on what a file may hold."""

import pickle

import numpy as np
import pytest

from data_loader.readers import read_file, read_items
from data_loader.readers.budget import Budget
from utils.errors import InputError
from utils.pickle_globals import RefusedError

MIB = 1 << 20


def budget_of(path, size=0):
    with path.open("wb") as file:
        file.truncate(size)
    return Budget(path)


@pytest.mark.parametrize(("size", "limit"), [(0, 32 * MIB), (MIB, 32 * MIB), (3 * MIB, 96 * MIB)])
def test_a_file_may_hold_32_times_its_size_and_a_small_one_32_mib(tmp_path, size, limit):
    budget = budget_of(tmp_path / "x", size)
    for part in (limit - 10, 10):
        budget.spend_bytes(part)
    with pytest.raises(RefusedError, match=f"more than {limit} bytes"):
        budget.spend_bytes(1)


@pytest.mark.parametrize(
    ("value", "least"),
    [
        (np.zeros((100, 50), "f8"), 40_000),
        (np.zeros((100, 50), "f2"), 20_000),  # which become float32
        (np.zeros((10_000, 0)), 80_000),  # each row is an object
        ("a" * 1000, 1000),
        (b"a" * 1000, 1000),
        ([[1.0] * 500] * 20, 80_000),  # a repeated list counts each time
        ({"a": "b" * 1000}, 1000),
        ({"a" * 1000: 1}, 1000),
        ({i: i for i in range(1000)}, 16_000),
        (np.array(["a" * 1000, None], dtype=object), 1000),
    ],
)
def test_values_count_with_all_that_they_hold(tmp_path, value, least):
    budget = budget_of(tmp_path / "x")
    budget.spend(value)
    assert least <= budget.limit - budget.remaining <= 2 * least + 100


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [object()]}, "an object that is not an array, text, number or container"),
        (np.frombuffer((0x7FFFFFFF).to_bytes(4, "little"), "<U1"), "text with invalid letters"),
        ([[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]], "containers in containers, more than 16 deep"),
    ],
)
def test_other_objects_letters_and_depths_are_refused(tmp_path, value, message):
    with pytest.raises(RefusedError, match=message):
        budget_of(tmp_path / "x").spend(value)


def test_a_file_whose_items_share_too_large_arrays_is_refused(tmp_path):
    """A list of a megabyte, 50 times by reference."""
    path, shared = tmp_path / "x.pickle", [0.5] * 100_000
    path.write_bytes(pickle.dumps({"a": [shared] * 50}))
    for read in (read_file, lambda path: dict(read_items(path, stream=False)[1])):
        with pytest.raises(InputError, match="refused, it holds more than 33554432 bytes"):
            read(path)
