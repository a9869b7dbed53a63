"""Colors and edges of images, compared with the colors and directions that were drawn."""

import colorsys

import numpy as np
import pytest

from misc.extractors.image_statistics import ORIENTATIONS, color_grid, color_histogram, edge_histograms, to_hsv


def test_hue_saturation_and_value_are_those_of_colorsys():
    colors = np.random.default_rng(0).integers(0, 256, (50, 1, 3), np.uint8)
    expected = np.array([colorsys.rgb_to_hsv(*(color / 255)) for color in colors[:, 0]]).T
    found = to_hsv(colors)[..., 0]
    np.testing.assert_allclose(found[1:], expected[1:], atol=1.5 / 255)
    turns = np.abs(found[0] - expected[0])
    assert np.minimum(turns, 1 - turns).max() < 2 / 255


def test_the_color_grid_has_the_means_of_cells():
    image = np.random.default_rng(1).integers(0, 256, (12, 24, 3), np.uint8)
    expected = [image[r : r + 4, c : c + 8].mean(axis=(0, 1)) / 255 for r in (0, 4, 8) for c in (0, 8, 16)]
    np.testing.assert_allclose(color_grid(image, 3).reshape(9, 3), expected, atol=1.1 / 255)  # rounded twice


def test_the_color_histogram_counts_hues_light_and_dark_and_grays():
    counts = np.arange(1, 29)
    hues = [(number + 0.5) / 12 for number in range(12)]
    colors = [colorsys.hsv_to_rgb(hue, 0.9, value) for value in (0.9, 0.4) for hue in hues]
    colors += [(gray, gray, gray) for gray in (0.1, 0.4, 0.6, 0.95)]
    pixels = np.repeat((np.array(colors) * 255).round().astype(np.uint8), counts, axis=0)
    found = color_histogram(np.random.default_rng(2).permutation(pixels)[None])
    np.testing.assert_allclose(found, np.sqrt(counts / counts.sum()))


@pytest.mark.parametrize("direction", range(2 * ORIENTATIONS))
def test_edges_are_in_their_cell_and_direction(direction):
    """A slope in only one of nine cells, of which opposite directions are the same edge."""
    angle = np.pi * direction / ORIENTATIONS
    y, x = np.mgrid[:30, :30].astype(float)
    gray = np.zeros((90, 90))
    gray[30:60, 60:90] = x * np.cos(angle) + y * np.sin(angle)
    gray[30:60, 60:90] -= gray[30:60, 60:90].mean()
    # Only the middle of the cell: its sides are edges, too.
    inside = edge_histograms(gray[34:56, 64:86], 1)
    assert inside[direction % ORIENTATIONS] == pytest.approx(1, abs=0.02)
    found = edge_histograms(gray, 3).reshape(9, ORIENTATIONS)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(found, axis=1).argmax() == 5


def test_an_image_without_edges_has_a_histogram_of_zeros():
    assert not edge_histograms(np.full((20, 30), 100.0), 4).any()
