"""The choice of a device, and random states that survive a checkpoint."""

import io
import logging
import random

import numpy as np
import pytest
import torch

from base.device import get_rng_state, seed_everything, select_device, set_rng_state
from utils.errors import InputError


@pytest.mark.parametrize(
    ("index", "disable_gpu", "count", "expected", "reason"),
    [
        (None, False, 2, "cpu", "no --device given"),
        (0, True, 2, "cpu", "disable_gpu is set"),
        (0, False, 0, "cpu", "no GPU found"),
        (1, False, 2, "cuda:1", "GPU 1, Fake"),
    ],
)
def test_one_line_says_which_device_and_why(monkeypatch, caplog, index, disable_gpu, count, expected, reason):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Fake")
    caplog.set_level(logging.INFO)
    assert select_device(index, disable_gpu) == torch.device(expected)
    (record,) = caplog.records
    assert reason in record.getMessage()


@pytest.mark.parametrize("index", [2, -1])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch, index):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=f"--device {index}: found 2 GPUs, expected an index from 0 to 1"):
        select_device(index)


def draws():
    """Draw from every generator; an odd number of normal values, since those are generated in pairs."""
    return [random.random(), random.gauss(0, 1), *np.random.normal(size=3), *torch.randn(3).tolist()]


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 5])
def test_a_seed_fixes_every_generator(seed):
    seed_everything(seed)
    first = draws()
    assert draws() != first
    seed_everything(seed)
    assert draws() == first
    seed_everything(seed + 1)
    assert not set(draws()) & set(first)


def test_random_states_survive_a_safe_checkpoint():
    seed_everything(3)
    draws()
    file = io.BytesIO()
    torch.save(get_rng_state(), file)
    expected = [draws(), draws()]
    seed_everything(99)
    file.seek(0)
    set_rng_state(torch.load(file, weights_only=True))
    assert [draws(), draws()] == expected
