"""The plain implementation of CE against ours: the same numbers, or the benchmark would compare two different things."""

import copy

import pytest
import torch
from helpers.gradients import gradients
from helpers.plain_model import DIMS, make_models

from misc.speed import step
from misc.speed.plain_model import plain_loss
from model.loss import MaxMarginRankingLoss
from trainer.optim import instantiate_optimizer

CLOSE = {"rtol": 1e-6, "atol": 1e-9}  # in double precision


def double(batch):
    return {
        key: double(x) if isinstance(x, dict) else x.double() if x.is_floating_point() else x for key, x in batch.items()
    }


def batch(seed):
    return double(step.random_batch(DIMS, 10, {"audio", "ocr"}, num_videos=12, seed=seed))


@pytest.mark.parametrize("release", ["2019", "2020"])
def test_loss_gradients_and_statistics_are_those_of_the_plain_implementation(release):
    ours, plain = make_models(release)
    inputs = batch(0)
    assert 0 < sum(x.sum() for x in inputs["ind"].values()) < 4 * 12  # some experts are missing
    ours_loss = MaxMarginRankingLoss()(ours(**inputs)["cross_view_conf_matrix"])
    loss = plain_loss(plain(**inputs))
    torch.testing.assert_close(ours_loss, loss, **CLOSE)
    ours_loss.backward()
    loss.backward()
    expected, found = gradients(plain), gradients(ours)
    assert expected.keys() == found.keys() and all(x.any() for x in expected.values())
    torch.testing.assert_close(found, expected, **CLOSE)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict(), **CLOSE)  # running statistics


@pytest.mark.parametrize("release", ["2019", "2020"])
def test_weights_after_steps_of_adam_are_those_of_the_plain_implementation(release):
    ours, plain = make_models(release)
    before = copy.deepcopy(plain.state_dict())
    optimizers = [instantiate_optimizer({"type": "Adam", "args": {"lr": 0.01, "eps": 1e-3}}, ours.parameters())]
    optimizers.append(torch.optim.Adam(plain.parameters(), lr=0.01, eps=1e-3))
    for seed in range(4):
        inputs = batch(seed)
        losses = [MaxMarginRankingLoss()(ours(**inputs)["cross_view_conf_matrix"]), plain_loss(plain(**inputs))]
        for loss, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        torch.testing.assert_close(*losses, **CLOSE)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict(), **CLOSE)
    assert not any(torch.equal(before[name], x) for name, x in plain.state_dict().items())
