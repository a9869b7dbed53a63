"""Bootstrap intervals, compared with scipy and with metrics of resampled ranks."""

import numpy as np
import pytest
import scipy.stats
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from model import confidence as confidence_module
from model.confidence import _weighted_metrics, mean_intervals, rank_intervals
from model.metric import summarize


@examples(100)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 4)), min_size=1, max_size=40).filter(
        lambda x: any(n for _, n in x)
    )
)
def test_metrics_of_counts_are_those_of_the_repeated_ranks(case):
    halves, counts = (np.array(x) for x in zip(*{rank: (rank, n) for rank, n in case}.values(), strict=True))
    if not counts.any():
        return
    order = np.argsort(halves)
    ranks, counts = halves[order] / 2, counts[order]
    found = _weighted_metrics(ranks, counts[None].astype(float))
    assert {name: x[0] for name, x in found.items()} == pytest.approx(summarize(np.repeat(ranks, counts)))


def test_intervals_are_those_of_scipy_up_to_the_noise_of_draws():
    rng = np.random.default_rng(0)
    ranks = np.floor(rng.exponential(8, size=400))
    found = rank_intervals(ranks, np.arange(400), 90, resamples=4000)
    for name in ("R10", "MedR"):
        expected = scipy.stats.bootstrap(
            (ranks,), lambda x, name=name: summarize(x)[name], vectorized=False, confidence_level=0.9,
            method="percentile", n_resamples=800, rng=1,
        )  # fmt: skip
        tolerance = 0.5 * expected.standard_error
        assert found[name] == pytest.approx(tuple(expected.confidence_interval), abs=tolerance), name
    scores = {"x": rng.random(400), "y": ranks}
    found = mean_intervals(scores, np.arange(400), 90, resamples=4000)
    for name, values in scores.items():
        expected = scipy.stats.bootstrap((values,), np.mean, confidence_level=0.9, method="percentile", rng=1)
        assert found[name] == pytest.approx(tuple(expected.confidence_interval), abs=0.2 * expected.standard_error)


def width(interval):
    return interval[1] - interval[0]


def test_queries_of_a_video_are_drawn_together():
    """Nine copies of each query say no more than one."""
    ranks = np.random.default_rng(0).integers(0, 60, size=100).astype(float)
    once = rank_intervals(ranks, np.arange(100), 95)
    copies, owners = np.tile(ranks, 9), np.tile(np.arange(100), 9)
    assert rank_intervals(copies, owners, 95) == once
    found, expected = (mean_intervals({"x": x / 3}, y, 95)["x"] for x, y in ((copies, owners), (ranks, np.arange(100))))
    assert found == pytest.approx(expected)
    alone = rank_intervals(copies, np.arange(900), 95)
    assert all(width(alone[name]) < 0.6 * width(once[name]) for name in ("R10", "MeanR"))


def test_videos_with_more_captions_count_more_in_each_draw():
    owners = np.repeat([0, 1, 2], [1, 2, 30])
    assert mean_intervals({"x": np.ones(33)}, owners, 95)["x"] == pytest.approx((1, 1))
    found = rank_intervals(np.zeros(33), owners, 95)
    assert found["R1"] == (100, 100) and found["MeanR"] == (1, 1)


def test_a_higher_level_is_a_wider_interval_and_queries_without_a_value_are_left_out():
    values = np.random.default_rng(0).random(50)
    narrow, wide = (mean_intervals({"x": values}, np.arange(50), level)["x"] for level in (50, 99))
    assert wide[0] < narrow[0] < values.mean() < narrow[1] < wide[1]
    with_gaps = np.full(100, np.nan)
    with_gaps[::2] = values
    assert mean_intervals({"x": with_gaps}, np.arange(100), 50)["x"] == pytest.approx(narrow)


def test_the_size_of_chunks_changes_nothing(monkeypatch):
    ranks = np.arange(20.0)
    expected = rank_intervals(ranks, np.arange(20), 95)
    monkeypatch.setattr(confidence_module, "CHUNK", 1)
    assert rank_intervals(ranks, np.arange(20), 95) == expected
