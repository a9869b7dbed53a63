"""The ridge baseline, compared with scipy's least squares, and on the real archive if it exists."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from helpers.commands import CONFIG
from helpers.toy_archive import Archive

from misc import ridge_baseline
from misc.reporting import ridge
from misc.reporting.ridge import STRENGTHS, fit, ridge_results, similarities


def test_ridge_is_least_squares_on_augmented_data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 3))
    weights, x_mean, y_mean = fit(x, y, 2.5)
    augmented = np.vstack([x - x.mean(0), np.sqrt(2.5) * np.eye(4)])
    expected, *_ = scipy.linalg.lstsq(augmented, np.vstack([y - y.mean(0), np.zeros((4, 3))]))
    np.testing.assert_allclose(weights, expected)
    sims = similarities((weights, x_mean, y_mean), x[:2], y[:5])
    prediction = (x[1] - x.mean(0)) @ expected
    target = y[4] - y.mean(0)
    np.testing.assert_allclose(sims[1, 4], prediction @ target / np.linalg.norm(prediction) / np.linalg.norm(target))


def test_the_command_prints_both_directions(run):
    code, out, err = run(ridge_baseline, "--config", CONFIG)
    assert code == 0, err
    t2v = next(line.split() for line in out.splitlines() if line.strip().startswith("t2v"))
    assert float(t2v[1]) > 30  # ten candidates that share latents with their captions
    code, _, err = run(ridge_baseline, "--config", CONFIG, "--expert", "audio")
    assert code == 2 and "some videos lack the expert" in err


def test_repeated_captions_are_tied_at_any_position():
    """A matrix product may round equal rows differently, depending on their position."""
    rng = np.random.default_rng(0)
    text = rng.normal(size=(1, 384)).repeat(191, axis=0)
    model = (rng.normal(size=(384, 500)), rng.normal(size=384), rng.normal(size=500))
    sims = similarities(model, text, rng.normal(size=(190, 500)))
    assert (sims == sims[0]).all()


def scores_by_strength(folder, monkeypatch, config, tested):
    """Return the t2v score of each strength on the videos of a list."""
    archive = noisy_archive(folder)
    archive.lists["test_list.txt"] = archive.lists[tested]
    archive.write()
    monkeypatch.chdir(folder)
    scores = []
    for strength in STRENGTHS:
        monkeypatch.setattr(ridge, "STRENGTHS", [strength])
        scores.append(ridge_results(config, "rgb")["t2v_metrics"]["geometric_mean_R1-R5-R10"])
    monkeypatch.setattr(ridge, "STRENGTHS", STRENGTHS)
    return np.array(scores)


def noisy_archive(folder):
    archive = Archive(folder, num_train=24, num_val=60, num_test=60)
    rng = np.random.default_rng(0)
    for x in archive.features["rgb"].values():
        x += rng.normal(scale=2, size=(1, 12)).astype(x.dtype)
    return archive


def test_the_strength_is_the_best_on_the_validation_split(run, tmp_path, monkeypatch):
    config = str(Path(CONFIG).absolute())
    val, test = (scores_by_strength(tmp_path / name, monkeypatch, config, f"{name}_list.txt") for name in ("val", "test"))
    chosen = ridge_results(config, "rgb")["t2v_metrics"]["geometric_mean_R1-R5-R10"]
    assert chosen == pytest.approx(test[val.argmax()])
    assert chosen not in (test.max(), test[val.argmin()])  # the splits differ
