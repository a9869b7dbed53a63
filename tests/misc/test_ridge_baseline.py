"""The ridge baseline, compared with scipy's least squares, and on the real archive if it exists."""

import numpy as np
import scipy.linalg
from helpers.commands import CONFIG

from misc import ridge_baseline
from misc.ridge_baseline import fit, similarities


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
