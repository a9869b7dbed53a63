"""Tests of differences between configs: against scipy, a mixed model by hand, and configs that do not differ."""

import numpy as np
import pytest
import scipy.stats
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from misc.reporting import significance
from misc.reporting.significance import calibrate, compare, holm, randomization_test


@examples(30)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=8))
def test_randomization_is_that_of_scipy_over_all_signs(differences):
    values = np.array(differences, dtype=float)
    options = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": False}
    exact = scipy.stats.permutation_test((values, np.zeros(len(values))), lambda x, y: np.sum(x - y), **options)
    assert randomization_test(values) == pytest.approx(min(1, exact.pvalue), abs=0.02)


def test_randomization_is_two_sided_and_never_zero():
    differences = np.ones(40)
    assert randomization_test(differences, 999) == randomization_test(-differences, 999) == 1 / 1000
    assert randomization_test(np.zeros(5), 999) == 1


def test_the_size_of_chunks_does_not_change_what_is_counted(monkeypatch):
    differences = np.random.default_rng(0).normal(0.2, 1, size=50)
    expected = randomization_test(differences)
    monkeypatch.setattr(significance, "CHUNK", 1000)
    assert randomization_test(differences) == pytest.approx(expected, abs=0.02)


@examples(50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_step_down_procedure(p_values):
    corrected = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, i in enumerate(order):
            if p_values[i] * (len(p_values) - step) > level:
                break
            rejected.add(i)
        assert {i for i, p in enumerate(corrected) if p <= level} == rejected
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))


def drawn(rng, runs, videos=200, of_run=0.0, of_both=1.0, of_config=0.0):
    """Draw scores (runs, videos) of a config."""
    return (
        rng.normal(size=videos) * of_config + rng.normal(size=(runs, 1)) * of_run + rng.normal(size=(runs, videos)) * of_both
    )


def test_where_seeds_decide_the_test_is_that_of_student_on_the_means_of_runs():
    """The videos are so many that only seeds count."""
    rng = np.random.default_rng(0)
    first, second = (drawn(rng, 3, videos=4000, of_run=1, of_both=0.3) for _ in range(2))
    expected = scipy.stats.ttest_ind(second.mean(axis=1), first.mean(axis=1))
    found = compare([first, second], 4000)
    assert found.p_configs == pytest.approx(expected.pvalue, rel=0.01)
    assert found.value == pytest.approx(second.mean() - first.mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()), rel=0.02)
    assert found.p_models < 0.01 < found.p_configs


def test_where_videos_decide_the_test_is_that_of_student_on_the_differences_of_videos():
    rng = np.random.default_rng(0)
    first, second = (drawn(rng, 8, videos=60, of_both=0.02, of_config=1) for _ in range(2))
    expected = scipy.stats.ttest_rel(second.mean(axis=0), first.mean(axis=0))
    found = compare([first, second], 60)
    assert found.p_configs == pytest.approx(expected.pvalue, abs=0.02)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()), rel=0.02)


def test_the_variance_is_that_of_a_mixed_model_by_hand():
    rng = np.random.default_rng(1)
    a, b = drawn(rng, 3, 50, 0.5, 1, 0.5), drawn(rng, 3, 50, 0.5, 1, 0.5)
    difference = b.mean(axis=0) - a.mean(axis=0)
    v_videos = difference.var(ddof=1) / 50
    v_runs = (a.mean(axis=1).var(ddof=1) + b.mean(axis=1).var(ddof=1)) / 3
    cells = [x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean() for x in (a, b)]
    v_both = sum((x**2).sum() / (2 * 49) for x in cells) / 3 / 50
    variance = max(v_videos + v_runs - v_both, v_videos, v_runs)
    assert variance == v_videos + v_runs - v_both
    freedom = variance**2 / (v_videos**2 / 49 + v_runs**2 / 4)
    found = compare([a, b], 50)
    assert found.p_configs == pytest.approx(2 * scipy.stats.t.sf(abs(difference.mean()) / variance**0.5, freedom))
    # Sums over several queries of a video, whose mean is per query.
    several = compare([3 * a, 3 * b], 150)
    assert (
        several == pytest.approx(found) if isinstance(found, tuple) else several.p_configs == pytest.approx(found.p_configs)
    )
    assert several.value == pytest.approx(found.value) and several.low == pytest.approx(found.low)


def test_runs_that_belong_together_lose_the_noise_that_they_share():
    rng = np.random.default_rng(0)
    first = drawn(rng, 3, of_run=2)
    second = first + drawn(rng, 3, of_both=0.1) + 0.3
    apart, together = compare([first, second], 200), compare([second - first], 200)
    assert apart.value == pytest.approx(together.value)
    assert together.p_configs < 0.01 < 0.3 < apart.p_configs


def test_one_run_each_has_no_test_of_configs():
    found = compare([np.arange(4.0)[None], np.arange(4.0)[None] + 1], 4)
    assert found.value == 1 and found.p_configs is None and found.low is None
    assert compare([np.arange(8.0).reshape(2, 4), np.arange(4.0)[None]], 4).p_configs is not None


def test_equal_runs_do_not_differ():
    found = compare([np.ones((3, 5)), np.ones((3, 5))], 5)
    assert (found.value, found.p_models, found.p_configs, found.low, found.high) == (0, 1, 1, 0, 0)


@pytest.mark.parametrize(("of_run", "of_config"), [(0.0, 0.0), (0.3, 0.0), (0.1, 0.5)])
def test_configs_that_do_not_differ_are_called_different_in_at_most_5_percent(of_run, of_config):
    """400 pairs of configs, whose seeds and videos are drawn anew."""
    rng = np.random.default_rng(0)
    pairs = [[drawn(rng, 3, 100, of_run, 1, of_config) for _ in range(2)] for _ in range(400)]
    found = [compare(pair, 100, randomizations=200) for pair in pairs]
    assert np.mean([x.p_configs <= 0.05 for x in found]) <= 0.06
    if of_run == 0.3:  # the test over videos, for which seeds are no chance
        assert np.mean([x.p_models <= 0.05 for x in found]) > 0.3


def test_calibration_draws_groups_of_one_config():
    rng = np.random.default_rng(0)
    sample = drawn(rng, 20, 200, of_run=0.4)
    rates = calibrate(sample, np.ones(200, dtype=int), 3, pairs=200, randomizations=200)
    assert rates["configs"] <= 0.07 and rates["models"] > 0.3
    alone = calibrate(sample, np.ones(200, dtype=int), 1, pairs=50, randomizations=200)
    assert alone.keys() == {"models"} and alone["models"] > 0.3
    different = sample.copy()
    different[10:] += 3  # runs of two configs
    assert calibrate(different, np.ones(200, dtype=int), 1, pairs=50, randomizations=200)["models"] > 0.5
