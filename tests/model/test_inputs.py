"""Noise in place of chosen experts, and the search for NaN in those that are present."""

import pytest
import torch

from model.inputs import ExpertInputs
from utils.errors import InputError

PRESENT = torch.ones(4)


def noise_of(inputs, name, *shape):
    x = torch.zeros(4, *shape)
    return inputs(name, x, PRESENT)


def test_noise_in_evaluation_is_the_same_for_all_videos_and_differs_between_experts():
    inputs = ExpertInputs({"rgb", "face"}).eval()
    rgb, face = noise_of(inputs, "rgb", 5), noise_of(inputs, "face", 5)
    assert torch.equal(rgb, rgb[:1].expand(4, 5)) and rgb[0].unique().numel() == 5
    assert torch.equal(rgb, noise_of(ExpertInputs({"rgb"}).eval(), "rgb", 5))  # in another process, too
    assert not torch.isclose(rgb, face).any()
    assert torch.equal(noise_of(inputs, "rgb", 3, 5), rgb[0].expand(4, 3, 5))
    assert not noise_of(inputs, "audio", 5).any()


def test_noise_in_training_is_new_in_each_step_and_differs_between_videos():
    inputs = ExpertInputs({"rgb"}).train()
    first, second = noise_of(inputs, "rgb", 5), noise_of(inputs, "rgb", 5)
    assert torch.cat([first, second]).unique().numel() == 40


def test_nan_is_an_error_at_once_on_a_cpu_and_only_where_the_expert_is_present():
    x = torch.zeros(4, 2)
    x[1:3, 1] = torch.nan
    inputs = ExpertInputs(set())
    found = inputs("rgb", x, torch.tensor([1, 0, 0, 1]))
    assert torch.equal(found, torch.zeros(4, 2))
    with pytest.raises(InputError, match="expert 'rgb', item 2 of the batch: NaN"):
        inputs("rgb", x, torch.tensor([1, 0, 1, 1]))


def test_nan_of_an_earlier_batch_is_not_forgotten_until_it_is_asked_for(monkeypatch):
    """On a GPU, NaN is checked once per epoch."""
    inputs = ExpertInputs(set())
    monkeypatch.setattr(inputs, "raise_if_nan", lambda: None)
    for item in (None, 3, None, 1):  # the first is named
        x = torch.zeros(4, 2)
        if item is not None:
            x[item] = torch.nan
        inputs("rgb", x, PRESENT)
    monkeypatch.undo()
    with pytest.raises(InputError, match="item 3 of the batch"):
        inputs.raise_if_nan()
    inputs.raise_if_nan()
