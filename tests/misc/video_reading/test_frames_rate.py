"""Frames are sampled at a rate, up to a maximum number."""

import av
import numpy as np
import pytest
from helpers import pyav_videos
from helpers.pyav_videos import frame_numbers

from misc.video_reading.media import Sampling
from misc.video_reading.reader import read_video


@pytest.mark.parametrize(
    ("rate", "most", "expected"),
    [
        (5, 99, range(0, 20, 2)),
        (2.5, 99, range(0, 20, 4)),
        (8, 99, range(0, 20, 2)),
        (30, 99, range(20)),
        (30, 5, range(0, 20, 4)),
    ],
)
def test_frames_at_a_rate_up_to_a_maximum_number(write, rate, most, expected):
    path = write("a.mkv", pyav_videos.flat(20))
    media = read_video(path, Sampling(rate, most, 480, 1))
    assert frame_numbers(media.frames) == list(expected)
    np.testing.assert_allclose(media.times, np.array(expected) / 10, atol=2e-3)


def test_a_file_without_a_length_is_sampled_evenly(tmp_path):
    """As in recordings by browsers; whenever there are too many frames, every second one is dropped."""
    path = pyav_videos.write(tmp_path / "a.mkv", pyav_videos.flat(27, 16, 16), options={"live": "1"})
    with av.open(str(path)) as file:
        assert file.duration is None
    media = read_video(path, Sampling(100, 8, 480, 1))
    assert frame_numbers(media.frames) == list(range(0, 27, 4))
    np.testing.assert_allclose(media.times, np.arange(0, 27, 4) / 10, atol=2e-3)
