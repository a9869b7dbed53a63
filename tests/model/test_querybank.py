"""Query-bank normalization by hand, its memory and its limits; loops are in `test_querybank_properties.py`."""

import tracemalloc
from typing import get_args

import numpy as np
import pytest

from base.schema import QuerybankSection
from model.metric import NotFiniteError
from model.querybank import METHODS, PUBLISHED_BETA, Correction, fit_bank, hubness, normalize
from utils.errors import InputError


def test_a_hub_loses_the_queries_that_other_items_fit_better():
    """The first video is the best of every caption of the bank, so that only captions that it attracts are corrected."""
    sims = np.array([[0.5, 0.4, 0.0], [0.1, 0.4, 0.35], [0.9, 0.1, 0.8]], dtype=np.float32)
    bank = np.array([[0.8, 0.2, 0.1], [0.9, 0.1, 0.1]], dtype=np.float32)
    correction = fit_bank(bank, "t2v")
    assert correction.hubs.tolist() == [True, False, False]
    found = normalize(sims, correction, "t2v")
    assert found.argmax(axis=1).tolist() == [1, 1, 2]
    assert (found[1] == sims[1]).all()  # its best item is no hub
    assert normalize(sims, fit_bank(bank, "t2v", method="inverted_softmax"), "t2v")[1].argmax() == 2


def test_any_beta_of_a_config_is_finite_and_its_limits_are_the_mean_and_the_maximum():
    bank = np.array([[30.0, -30.0], [10.0, 70.0]], dtype=np.float32)
    assert fit_bank(bank, "t2v", beta=1e-3).offsets == pytest.approx([20, 20], abs=2)
    assert fit_bank(bank, "t2v", beta=1e4).offsets == pytest.approx([30, 70], abs=1e-3)
    for beta in (1e-3, 1e4):
        assert np.isfinite(normalize(bank, fit_bank(bank, "t2v", beta=beta), "t2v")).all()


def test_equal_items_stay_tied():
    """Otherwise the order of two copies of a video would depend on rounding."""
    rng = np.random.default_rng(0)
    sims, bank = rng.random((50, 7), dtype=np.float32), rng.random((999, 7), dtype=np.float32)
    twice, bank_twice = sims[:, [0, 1, 2, 3, 4, 5, 6, 2]], bank[:, [0, 1, 2, 3, 4, 5, 6, 2]]
    for method in METHODS:
        found = normalize(twice, fit_bank(bank_twice, "t2v", method=method), "t2v")
        assert (found[:, 2] == found[:, 7]).all()
        found = normalize(twice.T, fit_bank(bank_twice.T, "v2t", method=method), "v2t")
        assert (found[2] == found[7]).all()


def test_the_config_has_the_same_methods_and_the_published_beta():
    assert get_args(QuerybankSection.model_fields["method"].annotation) == METHODS
    assert QuerybankSection().beta == PUBLISHED_BETA and QuerybankSection().method == METHODS[0]


def test_hubness_is_that_of_one_video_which_is_first_for_all():
    sims = np.eye(40, dtype=np.float32)
    assert hubness(sims, "t2v", k=1) == hubness(sims, "v2t", k=1) == 0
    sims[:, 0] = 2
    assert hubness(sims, "t2v", k=1) == pytest.approx(38 / np.sqrt(39))  # skewness of a single one among 40
    assert hubness(sims, "v2t", k=1) == pytest.approx(-38 / np.sqrt(39))  # a tie counts: its captions are all first for it


@pytest.mark.parametrize("task", ["t2v", "v2t"])
def test_memory_is_that_of_a_few_blocks(task):
    sims = np.random.default_rng(0).random((9000, 1500), dtype=np.float32)  # 54 MB
    out = np.zeros_like(sims)
    tracemalloc.start()
    try:
        hubness(sims, task)
        fit_bank(sims, task, method="csls")
        normalize(sims, fit_bank(sims, task), task, out=out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12e6


ONES = np.ones((4, 2))


@pytest.mark.parametrize(
    ("sims", "options", "message"),
    [
        (np.zeros((0, 2)), {}, r"similarities of shape \(0, 2\), expected"),
        (np.zeros(4), {}, r"similarities of shape \(4,\), expected"),
        (ONES, {"exists": np.zeros(4)}, r"a mask of 0 captions, shape \(4,\), for 4 rows"),
        (ONES, {"exists": np.ones(3)}, r"a mask of 3 captions, shape \(3,\), for 4 rows"),
        (ONES, {"method": "softmax"}, "no method 'softmax', expected one of dynamic, inverted_softmax, csls"),
    ],
)
def test_refuses_a_bank_that_it_cannot_use(sims, options, message):
    with pytest.raises(InputError, match=message):
        fit_bank(sims, "t2v", **options)


def test_refuses_nan_and_a_bank_of_other_items():
    bad = np.ones((4, 2))
    bad[3, 1] = np.nan
    for function in (fit_bank, hubness):
        with pytest.raises(NotFiniteError, match="first in row 3"):
            function(bad, "t2v")
    correction = Correction(np.zeros(2), np.ones(2, dtype=bool))
    with pytest.raises(InputError, match="a correction of 2 items, expected 4"):
        normalize(np.ones((4, 2)), correction, "v2t")
