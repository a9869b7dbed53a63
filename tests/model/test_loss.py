"""The ranking loss, compared with published values and with a loop."""

import numpy as np
import pytest
import torch
from helpers.paths import shared

from model.loss import MaxMarginRankingLoss, distillation_loss
from utils.errors import InputError


@pytest.mark.parametrize("fix_norm", [True, False])
@pytest.mark.parametrize(
    ("folder", "margin"),
    [("parity", 0.2), ("parity", 0.05), *(("parity-2020", m) for m in (0.09381161988446174, 0.12638433919050676, 0.2))],
)
def test_parity_with_the_published_implementation(folder, margin, fix_norm):
    data = np.load(shared(folder, "loss.npz"))
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


def test_parity_of_the_distillation_loss():
    data = {
        key: torch.from_numpy(x) for key, x in np.load(shared("parity-2020", "distil.npz")).items() if "matrices/" in key
    }
    student = data["matrices/student"].requires_grad_()
    teacher = data["matrices/teacher"].requires_grad_()
    loss = distillation_loss(student, teacher)
    torch.testing.assert_close(loss, data["matrices/loss"], rtol=0, atol=1e-6)
    loss.backward()
    torch.testing.assert_close(student.grad, data["matrices/grad_student"], rtol=0, atol=1e-6)
    assert teacher.grad is None
