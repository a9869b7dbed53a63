"""Files that lack a part of their end: a tenth may be missing, more may not."""

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.ffmpeg import SAMPLING

from misc.video_reading.media import VideoError
from misc.video_reading.reader import read_video


@pytest.mark.parametrize(
    ("suffix", "codec", "share"),
    [("webm", "libvpx", 0.85), ("mkv", "mpeg4", 0.75), ("avi", "mpeg4", 0.85), ("wmv", "wmv2", 0.85)],
)
def test_a_tenth_of_a_file_may_be_missing(tmp_path, suffix, codec, share):
    """Of ten seconds of noise; `share` of the bytes has 8 to 9 of them, since pictures differ in size."""
    frames = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    path = pyav_videos.write(tmp_path / f"a.{suffix}", frames, 5, codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: round(0.95 * len(data))])
    assert 40 < len(read_video(path, SAMPLING).frames) <= 50
    path.write_bytes(data[: round(share * len(data))])
    with pytest.raises(VideoError, match="^cut off: it "):
        read_video(path, SAMPLING)
