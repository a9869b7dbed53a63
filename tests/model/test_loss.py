"""The ranking loss, compared with published values and with a loop."""

import numpy as np
import pytest
import torch
from helpers.paths import shared

from model.loss import MaxMarginRankingLoss
from utils.errors import InputError


@pytest.mark.parametrize("fix_norm", [True, False])
@pytest.mark.parametrize("margin", [0.2, 0.05])
def test_parity_with_the_published_implementation(margin, fix_norm):
    data = np.load(shared("parity", "loss.npz"))
    sims = torch.from_numpy(data["sims"]).requires_grad_()
    loss = MaxMarginRankingLoss(margin, fix_norm)(sims)
    loss.backward()
    key = f"m{margin}_fix{int(fix_norm)}"
    np.testing.assert_allclose(loss.item(), data[f"loss/{key}"], rtol=1e-5)
    np.testing.assert_allclose(sims.grad, data[f"grad/{key}"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("fix_norm", [True, False])
def test_equals_the_loop(fix_norm):
    sims = torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    untouched = sims.clone()
    terms = []
    for i in range(5):
        for j in range(5):
            if i != j or not fix_norm:
                terms += [max(0, 0.3 + sims[i, j] - sims[i, i]), max(0, 0.3 + sims[j, i] - sims[i, i])]
    torch.testing.assert_close(MaxMarginRankingLoss(0.3, fix_norm)(sims), sum(terms) / len(terms))
    assert torch.equal(sims, untouched)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4,)])
def test_refuses_what_cannot_be_ranked(shape):
    with pytest.raises(InputError, match="n x n with n of at least 2"):
        MaxMarginRankingLoss()(torch.zeros(shape))
