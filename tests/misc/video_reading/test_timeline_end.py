"""The end of a video whose pictures are stored in another order than shown."""

import av
import numpy as np
import pytest
from helpers import pyav_videos
from helpers.ffmpeg import ffmpeg

from misc.video_reading.media import Sampling
from misc.video_reading.reader import read_video

B_FRAMES = ("-c:v", "libx264", "-x264-params", "bframes=2:b-adapt=0:scenecut=0:keyint=100", "-pix_fmt", "yuv420p")


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv"])
@pytest.mark.parametrize("number", [9, 10, 12])
def test_all_pictures_are_kept_if_the_last_one_is_not_stored_last(tmp_path, suffix, number):
    levels = np.linspace(20, 230, number).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (number, 32, 32, 3))
    source, path = pyav_videos.write(tmp_path / "source.mkv", frames, 5, codec="ffv1"), tmp_path / f"a.{suffix}"
    ffmpeg("-i", source, *B_FRAMES, path)
    with av.open(str(path)) as file:
        shown = [packet.pts for packet in file.demux(video=0) if packet.size]
    assert number == 9 or shown[-1] < max(shown)
    kept = read_video(path, Sampling(rate=50, max_frames=1000, max_side=480, max_seconds=10)).frames
    np.testing.assert_allclose(kept.mean(axis=(1, 2, 3)), levels, atol=4)
