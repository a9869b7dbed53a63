"""The ranking loss, compared with published values and with a loop."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.paths import shared

from model.loss import MAX_TEMPERATURE, MIN_TEMPERATURE, ContrastiveLoss, MaxMarginRankingLoss, distillation_loss
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


@pytest.mark.parametrize("loss", [MaxMarginRankingLoss(), ContrastiveLoss()])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4,)])
def test_refuses_what_cannot_be_ranked(shape, loss):
    with pytest.raises(InputError, match="n x n with n of at least 2"):
        loss(torch.zeros(shape))


def test_hardest_negatives_are_without_the_matching_pair():
    with pytest.raises(InputError, match="fix_norm: found false with hardest_negatives, expected true"):
        MaxMarginRankingLoss(fix_norm=False, hardest_negatives=True)


def test_a_contrastive_loss_without_duplicates_is_two_cross_entropies():
    sims = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    target = torch.arange(6)
    expected = (F.cross_entropy(sims / 0.1, target) + F.cross_entropy(sims.T / 0.1, target)) / 2
    for options in ({}, {"learnable": False}, {"exclude_duplicates": False}):
        torch.testing.assert_close(ContrastiveLoss(0.1, **options)(sims), expected)


def test_only_a_learnable_temperature_is_a_parameter_and_saved():
    learnable, fixed = ContrastiveLoss(), ContrastiveLoss(learnable=False)
    assert [name for name, _ in learnable.named_parameters()] == list(learnable.state_dict()) == ["log_scale"]
    assert not list(fixed.parameters()) and not fixed.state_dict()
    assert learnable.log_values() == fixed.log_values() == {"temperature": pytest.approx(0.07)}


def test_the_temperature_is_bounded_and_can_move_back():
    """Matching pairs that are already the most similar ask for an ever lower temperature, others for a higher one."""
    loss = ContrastiveLoss(2 * MIN_TEMPERATURE)
    optimizer = torch.optim.SGD(loss.parameters(), lr=1e4)
    good = 0.02 * torch.eye(3)
    for _ in range(3):
        optimizer.zero_grad()
        loss(good).backward()
        optimizer.step()
        assert loss.log_values()["temperature"] >= MIN_TEMPERATURE
    assert loss.log_values()["temperature"] == MIN_TEMPERATURE
    torch.testing.assert_close(loss(good), F.cross_entropy(good / MIN_TEMPERATURE, torch.arange(3)))
    optimizer.zero_grad()
    loss(-good).backward()
    assert loss.log_scale.grad > 0
    optimizer.step()
    assert loss.log_values()["temperature"] == MAX_TEMPERATURE


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
