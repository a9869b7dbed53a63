"""Optical flow of images that are shifted and zoomed."""

import numpy as np
import pytest
from helpers.decoded_media import silent_media, smooth_noise
from PIL import Image


@pytest.mark.parametrize(
    ("down", "right", "direction"), [(0, 2, 0), (2, 2, 1), (2, 0, 2), (0, -2, 4), (-2, 0, 6), (-2, 2, 7)]
)
def test_direction_and_speed_of_a_shift(extractor, down, right, direction):
    """Directions in eighths of a turn, clockwise from right; speeds in widths per second, as sign(x) log(1 + 10 |x|)."""
    frames = [np.roll(smooth_noise(), (i * down, i * right), axis=(0, 1)) for i in range(5)]
    found = extractor("flow")(silent_media(*frames)).features
    assert found.shape == (4, 32)
    assert (found[:, :8].argmax(axis=1) == direction).all() and found[:, direction].min() > 0.7
    speeds = np.sign(found[:, 8:26]) * np.expm1(np.abs(found[:, 8:26])) / 10  # of nine cells, to the right and down
    middle = speeds[:, [4, 13]].mean(axis=0)
    np.testing.assert_allclose(middle, np.array([right, down]) / 128 * 8, atol=0.02)


def test_speed_is_per_second(extractor):
    frames = [np.roll(smooth_noise(), 2 * i, axis=1) for i in range(3)]
    slow, fast = (extractor("flow")(silent_media(*frames, rate=rate)).features for rate in (2, 8))
    np.testing.assert_allclose(slow[:, :8], fast[:, :8], atol=1e-6)
    speed = np.expm1(slow[:, 12]) / 10, np.expm1(fast[:, 12]) / 10
    np.testing.assert_allclose(4 * speed[0], speed[1], rtol=1e-3)


def test_still_frames_have_no_flow_and_one_frame_has_no_features(extractor):
    found = extractor("flow")(silent_media(*[smooth_noise()] * 4)).features
    np.testing.assert_allclose(found[:, 8:26], 0, atol=0.02)
    assert found[:, 28].max() < 0.01  # the share of moving pixels; OpenCV is inexact at the lower border
    assert extractor("flow")(silent_media(smooth_noise())) is None


def test_divergence_has_the_sign_of_a_zoom(extractor):
    """Zooming in by about 4 % per frame makes the flow diverge; the reversed frames make it converge."""
    large = Image.fromarray(smooth_noise(0, 192, 256))
    frames = [np.asarray(large.resize((128, 96), box=(3 * i, 2 * i, 256 - 3 * i, 192 - 2 * i))) for i in range(8)]
    nearer, away = (extractor("flow")(silent_media(*x)).features[:, 29] for x in (frames, frames[::-1]))
    assert nearer.min() > 0.05 and away.max() < -0.05
