"""Frames that are sampled in time, whatever the intervals between them, beside a copy at a constant rate."""

from fractions import Fraction

import av
import numpy as np
import pytest
from helpers.ffmpeg import SAMPLING, ffmpeg
from helpers.ffmpeg_videos import assert_like, convert
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from misc.video_reading.frames import FrameSampler
from misc.video_reading.media import SAMPLE_RATE, Sampling
from misc.video_reading.reader import read_video
from misc.video_reading.timeline import usual_interval

MILLISECOND = Fraction(1, 1000)


def frame_at(milliseconds):
    """Return a frame that is shown from a time on."""
    frame = av.VideoFrame(16, 16, "gray")
    frame.pts, frame.time_base = milliseconds, MILLISECOND
    return frame


def sampled(times, end, sampling):
    """Return which frames are kept of those that are shown at `times` until `end`, in milliseconds, and when."""
    length, gap = (end - times[0]) / 1000, usual_interval(np.array(times) / 1000)
    sampler = FrameSampler(sampling, length, gap, lambda frame: np.full((1, 1, 3), times.index(frame.pts)))
    for milliseconds in times:
        sampler.add(frame_at(milliseconds))
    kept, seconds = sampler.finish()
    return kept[:, 0, 0, 0].tolist(), seconds


@given(
    gaps=st.lists(st.integers(1, 3000), min_size=1, max_size=40),
    start=st.integers(0, 10**7),
    rate=st.sampled_from([0.5, 2, 8, 25]),
    most=st.integers(1, 50),
)
def test_frames_are_those_that_are_shown_at_evenly_spaced_times(gaps, start, rate, most):
    times, end = (start + np.cumsum([0, *gaps[:-1]])).tolist(), start + sum(gaps)
    kept, seconds = sampled(times, end, Sampling(rate, most, 480, 1))
    length = sum(gaps) / 1000
    apart = seconds[1] if len(seconds) > 1 else length
    assert 1 <= len(kept) <= most and (len(kept) == 1 or apart >= 1 / rate - 1e-3)
    np.testing.assert_allclose(np.diff(seconds), apart)
    assert len(kept) * apart >= length - apart and seconds[-1] < length  # from the beginning to the end
    gap = usual_interval(np.array(times) / 1000)
    for number, second in zip(kept, seconds, strict=True):
        early, late = (start + 1000 * (second + min(gap, apart) * share) for share in (0, 0.5))
        shown = [max(i for i, t in enumerate(times) if t <= at + 1e-6) for at in (early, late)]
        assert shown[0] <= number <= shown[1]


@pytest.mark.parametrize("rate", [5, 10, 16, 24, 25, 29.97, 30, 50, 60])
def test_frames_of_a_constant_rate_are_as_evenly_spaced_as_their_times(rate):
    """Times are rounded to milliseconds, as in Matroska."""
    times = [round(1000 * i / rate) for i in range(round(20 * rate))]
    kept, seconds = sampled(times, 20_000, Sampling(8, 1000, 480, 1))
    assert set(np.diff(kept)) == {kept[1]} and 4 < 1 / seconds[1] <= 8.01
    np.testing.assert_allclose(seconds, np.array(kept) / rate, atol=2e-3)


def test_wrong_and_absent_times_are_replaced():
    """A frame is never shown before the one before it; times of decoding are the next best."""
    frames = [frame_at(milliseconds) for milliseconds in (0, None, 50, 300, 100)]
    for frame, milliseconds in zip(frames, (None, None, 200, None, None), strict=True):
        frame.dts = milliseconds
    sampler = FrameSampler(Sampling(10, 100, 480, 1), 0.5, 0.1, lambda frame: np.full((1, 1, 3), frames.index(frame)))
    for frame in frames:
        sampler.add(frame)
    assert sampler.finish()[0][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4] and sampler.last == pytest.approx(0.4)


def constant(path):
    """Write a copy at 25 frames a second, in which ffmpeg repeats what is shown for long."""
    clean = path.with_name(f"clean-{path.stem}.mp4")
    ffmpeg("-i", path, "-vf", "fps=25", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "copy", clean)
    return clean


STILL = "testsrc2=s=96x64:r=25:d=2,tpad=stop_mode=clone:stop_duration=50,select='lt(t,2.1)+gte(t,51.9)'"


@pytest.mark.parametrize(
    ("suffix", "picture"),
    [
        ("mkv", STILL),  # two seconds, then a still picture
        ("mp4", STILL),
        ("ts", STILL),
        ("mp4", "testsrc2=s=96x64:r=25:d=0.04,tpad=stop_mode=clone:stop_duration=9,select='not(n)+gte(t,8.9)'"),
        ("mkv", "testsrc2=s=96x64:r=25:d=6,setpts='(T+10*floor(T/1.5))/TB'"),  # a screen recording, with pauses
        ("mp4", "testsrc2=s=96x64:r=25:d=20,select='lt(random(1),0.3)'"),
    ],
)
def test_pictures_at_a_variable_rate(tmp_path, suffix, picture):
    path = tmp_path / f"odd.{suffix}"
    ffmpeg("-f", "lavfi", "-i", picture, "-vsync", "vfr", "-c:v", "libx264", "-pix_fmt", "yuv420p", path)
    assert_like(path, constant(path), seconds=0.5)


@pytest.mark.parametrize("delays", [(40, 40, 40, 5000), (3000, 100, 200, 100, 2000), (500, 1500, 700), (100,) * 20])
def test_gif_with_unequal_delays(tmp_path, delays):
    path, rng = tmp_path / "odd.gif", np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (6, 8), np.uint8), np.ones((8, 8), np.uint8))
    frames = [Image.fromarray(np.roll(picture, 2 * i, axis=1)) for i in range(len(delays))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=list(delays))
    odd = assert_like(path, constant(path), seconds=0.3)
    seconds = sum(delays) / 1000
    assert odd.times[-1] == pytest.approx(seconds, abs=0.3)


@pytest.fixture(scope="module")
def long_sound(films, tmp_path_factory):
    """Four seconds of pictures, twenty minutes of sound."""
    path = tmp_path_factory.mktemp("long") / "long.mov"
    sound = ("-f", "lavfi", "-i", "sine=d=1200:r=8000")
    ffmpeg("-i", films / "a.mp4", *sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "pcm_mulaw", path)
    return path


@pytest.mark.parametrize("suffix", ["mov", "mkv", "avi"])
def test_short_pictures_beside_long_sound(films, long_sound, tmp_path, suffix):
    path = long_sound if suffix == "mov" else tmp_path / f"long.{suffix}"
    if suffix != "mov":
        ffmpeg("-i", long_sound, "-c:v", "mpeg4" if suffix == "avi" else "copy", "-q:v", 2, "-c:a", "copy", path)
    odd, clean = read_video(path, SAMPLING), read_video(films / "a.mp4", SAMPLING)
    assert len(odd.frames) == len(clean.frames) == 25 and len(odd.sound) == 600 * SAMPLE_RATE
    assert np.abs(odd.frames.astype(int) - clean.frames).mean() < 5


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_last_picture_that_is_shown_for_long(tmp_path, suffix):
    """Half a second of pictures, and six seconds of the last one."""
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as out:
        track = out.add_stream("mjpeg", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuvj420p"
        grey = [np.full((48, 64), 40 * number, np.uint8) for number in range(5)]
        frames = [av.VideoFrame.from_ndarray(x, format="gray").reformat(format="yuvj420p") for x in grey]
        packets = [packet for frame in (*frames, None) for packet in track.encode(frame)]
        packets[-1].duration = 60  # tenths of a second
        out.mux(packets)
    frames = read_video(path, SAMPLING).frames
    assert (frames.mean(axis=(1, 2, 3)) > 140).mean() > 0.9


def test_long_pictures_beside_short_sound(films, tmp_path):
    path = tmp_path / "odd.mkv"
    ffmpeg("-i", films / "a.mp4", "-af", "atrim=0:0.5", "-c:v", "copy", path)
    assert len(read_video(convert(path, tmp_path / "odd.mp4"), SAMPLING).frames) == 25
