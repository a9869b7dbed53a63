"""The flow expert: the place and the sense of motion in a picture of which only a part moves, or which turns."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from misc.extractors.flow import CELLS, FlowExtractor
from misc.video_reading.media import Media


def blots(height, width):
    """Return soft blots, (height, width) uint8."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(height, width)), 3, mode="wrap")
    return (128 + 50 * noise / noise.std()).clip(0, 255).astype(np.uint8)


def flow(*grays):
    """Return the statistics of the flow between gray pictures, eight per second."""
    frames = np.repeat(np.stack(grays)[..., None], 3, axis=-1)
    return FlowExtractor(context=None)(Media(frames, np.arange(len(frames)) / 8, None)).features


@pytest.mark.parametrize("row", range(CELLS))
@pytest.mark.parametrize("column", range(CELLS))
def test_motion_is_in_the_cell_of_its_place(row, column):
    """Cells are in the order of reading, first the speeds to the right, then those down."""
    still, moving = blots(96, 144), blots(32, 48)
    for axis, first in ((1, 8), (0, 8 + CELLS**2)):
        grays = []
        for i in range(3):
            grays.append(still.copy())
            grays[-1][32 * row : 32 * row + 32, 48 * column : 48 * column + 48] = np.roll(moving, 2 * i, axis)
        speeds = flow(*grays)[:, first : first + CELLS**2].mean(axis=0)
        assert speeds.argmax() == CELLS * row + column


def test_the_sense_of_a_turn():
    """The curl is above 0 for a turn with the clock, since rows are counted downwards."""
    picture = Image.fromarray(blots(160, 160))
    turned = [np.asarray(picture.rotate(-3 * i, Image.Resampling.BILINEAR))[32:128, 32:128] for i in range(5)]
    assert flow(*turned)[:, 30].min() > 0.05
    assert flow(*turned[::-1])[:, 30].max() < -0.05
