"""Optimizer states written by the code of November 2026."""

import pytest
import torch
from helpers.model_variants import make_batch, make_model
from helpers.paths import ROOT

from model.earlier import convert_optimizer_state
from model.loss import MaxMarginRankingLoss
from trainer.optim import instantiate_optimizer, load_optimizer

OPTIMIZERS = ROOT / "tests" / "fixtures" / "november_2026" / "optimizers"


@pytest.mark.parametrize("path", sorted(OPTIMIZERS.iterdir()), ids=lambda path: path.stem)
def test_an_earlier_optimizer_state_continues_to_the_same_weights(path):
    saved = torch.load(path, weights_only=True)
    model = make_model(path.stem.rpartition("-")[0], seed=7).train()
    optimizer = instantiate_optimizer(saved["section"], model.parameters())
    model.load_state_dict(saved["state_dict"])
    load_optimizer(optimizer, convert_optimizer_state(saved["optimizer"], model), str(path))
    for step in (2, 3):
        optimizer.zero_grad()
        MaxMarginRankingLoss()(model(**make_batch(step, 5, 1))["cross_view_conf_matrix"]).backward()
        optimizer.step()
    for name, x in model.state_dict().items():
        torch.testing.assert_close(x, saved["after"][name], rtol=1e-5, atol=1e-5, msg=name)
    state = optimizer.state_dict()
    assert convert_optimizer_state(state, model) is state  # today's stays as it is
