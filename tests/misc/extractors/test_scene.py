"""Scene features of colored images."""

import numpy as np
from helpers.decoded_media import silent_media


def test_features_do_not_depend_on_the_size_of_the_image(extractor):
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    frames = [np.repeat(np.repeat(small, n, axis=0), n, axis=1) for n in (8, 16)]
    one, two = (extractor("scene")(silent_media(frame)).features for frame in frames)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_color_grid_and_color_histogram(extractor):
    """An image of red, green, blue and white quarters; each part of the features has length 1."""
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[:48, :48], frame[:48, 48:], frame[48:, :48], frame[48:, 48:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3
    (found,) = extractor("scene")(silent_media(frame)).features
    grid = found[:108].reshape(6, 6, 3)
    expected = np.repeat(np.repeat(frame[::48, ::48] / 255, 3, axis=0), 3, axis=1)
    np.testing.assert_allclose(grid, expected / np.linalg.norm(expected), atol=1e-6)
    colors = found[108:136]
    assert sorted(np.flatnonzero(colors)) == [0, 4, 8, 27]  # hues of 0, 120 and 240 degrees, and the lightest gray
    np.testing.assert_allclose(colors[[0, 4, 8, 27]], 0.5, atol=1e-6)
    np.testing.assert_allclose([np.linalg.norm(part) for part in (found[:108], colors, found[136:])], 1, atol=1e-4)
