"""Selection of frames of a decoded video."""

import numpy as np
import pytest

from misc.video_reading.media import Media


@pytest.mark.parametrize(
    ("length", "number", "expected"),
    [(3, 8, [0, 1, 2]), (8, 8, list(range(8))), (9, 3, [1, 4, 7]), (4, 1, [2]), (2, 1, [0])],
)
def test_selected_frames_are_spread_evenly(length, number, expected):
    """The middle frames of `number` equal parts."""
    frames = np.arange(length, dtype=np.uint8).reshape(-1, 1, 1, 1)
    media = Media(frames, np.arange(length) / 4, None)
    assert list(media.select_frames(number).ravel()) == expected
    assert list(media.select_times(number)) == [i / 4 for i in expected]
