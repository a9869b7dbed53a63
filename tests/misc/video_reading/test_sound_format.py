"""Sound of any codec and rate becomes mono at one rate."""

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.pyav_videos import USUAL

from misc.video_reading.media import SAMPLE_RATE, Sampling
from misc.video_reading.reader import read_video


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "channels"),
    [("mkv", "pcm_s16le", 8000, 1), ("avi", "pcm_s16le", 44100, 2), ("mp4", "aac", 48000, 1), ("webm", "libopus", 48000, 2)],
)
def test_sound_is_mono_at_one_rate(write, suffix, codec, rate, channels):
    """A sine in only the left channel is kept at its frequency, half as loud."""
    tone = pyav_videos.sine(2, rate, 440)
    sound = tone if channels == 1 else np.stack([tone, 0 * tone], axis=1)
    video = "libvpx" if suffix == "webm" else "mpeg4"
    media = read_video(write(f"a.{suffix}", pyav_videos.flat(20), 10, sound, rate, codec=video, sound_codec=codec), USUAL)
    assert len(media.sound) == pytest.approx(2 * SAMPLE_RATE, rel=0.03)
    middle = media.sound[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2]
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() == 440  # its window is a second
    assert np.abs(middle).max() == pytest.approx(0.5 / channels, rel=0.1)


def test_a_silent_track_is_no_sound_and_not_more_than_the_limit_is_read(write):
    tone = pyav_videos.sine(2, 16000, 440)
    assert read_video(write("a.mkv", pyav_videos.flat(20), 10, 0 * tone, 16000), USUAL).sound is None
    path = write("b.mkv", pyav_videos.flat(20), 10, tone, 16000)
    sound = read_video(path, Sampling(8, 9, 480, 0.75)).sound
    assert len(sound) == 12000
    np.testing.assert_allclose(sound, tone[:12000], atol=1e-3)
