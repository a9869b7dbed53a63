"""Losses against loops over single terms, and their gradients against differences of the loss, with duplicates."""

import math

import numpy as np
import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from model.loss import ContrastiveLoss, MaxMarginRankingLoss

STEP = 1e-6


@st.composite
def batches(draw):
    """Draw similarities (n, n) with some ties, and a mask of duplicates from a caption for each text; None: all differ."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, 7))
    sims = rng.uniform(-1, 1, (n, n)).round(draw(st.sampled_from([1, 6])))
    num_captions = draw(st.sampled_from([1, 2, n, None]))  # one: no text has a negative
    if num_captions is None:
        return sims, None
    captions = rng.integers(num_captions, size=n)
    mask = captions[:, None] == captions
    if draw(st.booleans()):
        np.fill_diagonal(mask, False)  # it says nothing
    return sims, mask


def negatives(n, duplicates, i):
    """Return what text or video i must not match."""
    return [j for j in range(n) if j != i and not (duplicates is not None and duplicates[i, j])]


def margin_by_loop(sims, duplicates, margin, fix_norm, hardest):
    """Return the loss as a sum over single terms."""
    terms, n = [], len(sims)
    for i in range(n):
        others = negatives(n, duplicates, i)
        of_text = [max(0.0, margin + sims[i][j] - sims[i][i]) for j in others]
        of_video = [max(0.0, margin + sims[j][i] - sims[i][i]) for j in others]
        if hardest:
            terms += [max(of_text, default=0.0), max(of_video, default=0.0)]
        else:
            terms += of_text + of_video + ([] if fix_norm else [margin, margin])
    return sum(terms) / len(terms) if terms else 0.0


def contrastive_by_loop(sims, duplicates, temperature):
    """Return the mean of the negative logarithms of the shares of the matching pairs."""
    terms, n = [], len(sims)
    for i in range(n):
        candidates = [i, *negatives(n, duplicates, i)]
        for row in ([sims[i][j] for j in candidates], [sims[j][i] for j in candidates]):
            terms.append(-math.log(math.exp(row[0] / temperature) / sum(math.exp(s / temperature) for s in row)))
    return sum(terms) / len(terms)


def value(loss, sims, duplicates):
    """Return the loss of arrays."""
    mask = None if duplicates is None else torch.from_numpy(duplicates)
    return loss(torch.from_numpy(sims).requires_grad_(), mask)


def assert_gradient(loss, sims, duplicates):
    """Compare the gradients of similarities and parameters with central differences."""
    x = torch.from_numpy(sims).requires_grad_()
    mask = None if duplicates is None else torch.from_numpy(duplicates)
    parameters = list(loss.parameters())
    found = torch.autograd.grad(loss(x, mask), [x, *parameters])
    for tensor, gradient in zip([x, *parameters], found, strict=True):
        flat, expected = tensor.detach().view(-1), []
        for k in range(flat.numel()):
            at = flat[k].item()
            sides = []
            for step in (STEP, -STEP):
                flat[k] = at + step
                sides.append(loss(x, mask).item())
            flat[k] = at
            expected.append((sides[0] - sides[1]) / (2 * STEP))
        np.testing.assert_allclose(gradient.reshape(-1), expected, rtol=1e-4, atol=1e-7)


def has_kink(sims, margin):
    """Return whether a term is close to where its derivative jumps, or two similarities are nearly equal."""
    match = sims.diagonal()
    differences = np.concatenate([sims - match[:, None], sims - match])[~np.tile(np.eye(len(sims), dtype=bool), (2, 1))]
    return bool((np.abs(margin + differences) < 1e-4).any() or (np.diff(np.sort(sims.ravel())) < 1e-4).any())


@given(
    batch=batches(),
    margin=st.sampled_from([0.05, 0.2, 1.0]),
    kind=st.sampled_from([(True, False), (False, False), (True, True)]),
)
@examples(150)
def test_the_margin_loss_is_that_of_the_loop(batch, margin, kind):
    (sims, duplicates), (fix_norm, hardest) = batch, kind
    loss = MaxMarginRankingLoss(margin, fix_norm, hardest_negatives=hardest, exclude_duplicates=True)
    expected = margin_by_loop(sims.tolist(), duplicates, margin, fix_norm, hardest)
    assert value(loss, sims, duplicates).item() == pytest.approx(expected, abs=1e-12)
    if not has_kink(sims, margin):
        assert_gradient(loss, sims, duplicates)


@given(batch=batches(), temperature=st.sampled_from([0.02, 0.07, 0.5]), learnable=st.booleans())
@examples(150)
def test_the_contrastive_loss_is_that_of_the_loop(batch, temperature, learnable):
    sims, duplicates = batch
    loss = ContrastiveLoss(temperature, learnable).double()
    expected = contrastive_by_loop(sims.tolist(), duplicates, temperature)
    assert value(loss, sims, duplicates).item() == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert_gradient(loss, sims, duplicates)


@given(batch=batches())
@examples(50)
def test_a_duplicate_has_no_gradient(batch):
    """Its similarity is neither raised nor lowered, by any loss."""
    sims, duplicates = batch
    if duplicates is None:
        return
    off_diagonal = duplicates & ~np.eye(len(sims), dtype=bool)
    for loss in (
        MaxMarginRankingLoss(1.0, exclude_duplicates=True),
        MaxMarginRankingLoss(1.0, hardest_negatives=True, exclude_duplicates=True),
        ContrastiveLoss(),
    ):
        x = torch.from_numpy(sims).requires_grad_()
        loss(x, torch.from_numpy(duplicates)).backward()
        assert not x.grad.numpy()[off_diagonal].any() and x.grad.isfinite().all()
