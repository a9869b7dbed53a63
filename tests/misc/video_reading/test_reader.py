"""Decoded frames and times, compared with a plain loop of PyAV; files without pictures or frame rate."""

import struct

import av
import numpy as np
import pytest
from helpers import pyav_videos
from helpers.pyav_videos import ALL, USUAL, video_refusal

from misc.video_reading.reader import read_video


def decode_plainly(path):
    """Return all frames of a file and their times in seconds."""
    with av.open(str(path)) as file:
        pairs = [(frame.to_ndarray(format="rgb24"), frame.time) for frame in file.decode(video=0)]
    frames, times = zip(*pairs, strict=True)
    return np.stack(frames), np.array(times) - times[0]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mov", "webm"])
def test_all_frames_with_their_times_and_colors(write, suffix):
    rng = np.random.default_rng(0)
    frames = np.repeat(np.repeat(rng.integers(0, 256, (12, 6, 8, 3), np.uint8), 8, axis=1), 8, axis=2)
    path = write(f"a.{suffix}", frames, codec="libvpx" if suffix == "webm" else "mpeg4")
    media, (expected, times) = read_video(path, ALL), decode_plainly(path)
    assert np.array_equal(media.frames, expected)
    np.testing.assert_allclose(media.times, times)
    np.testing.assert_allclose(media.times, np.arange(12) / 10, atol=1e-3)
    assert media.sound is None
    assert np.abs(media.frames.mean(axis=(1, 2)) - frames.mean(axis=(1, 2))).max() < 12  # not swapped


def test_one_frame_is_a_video(write):
    media = read_video(write("a.mp4", pyav_videos.flat(1)), USUAL)
    assert len(media.frames) == 1 and list(media.times) == [0]


def test_a_cover_is_not_a_video(write):
    """A cover is not read as video, whether the file has sound or pictures."""
    tone, picture = pyav_videos.sine(2, 48000, 440), np.full((32, 32, 3), 250, np.uint8)
    song = write("a.m4a", sound=tone, form="mp4", sound_codec="aac", picture=picture)
    assert video_refusal(song) == "no video track"
    film = write("b.mp4", pyav_videos.flat(3), sound=tone[:9600], sound_codec="aac", picture=picture)
    assert read_video(film, ALL).frames.shape == (3, 48, 64, 3)


def test_a_file_with_only_sound_is_not_a_video(write):
    assert video_refusal(write("a.mkv", sound=pyav_videos.sine(1, 48000, 440))) == "no video track"


@pytest.mark.parametrize("field", ["rate", "scale"])
def test_an_avi_file_of_zero_frames_per_second_is_refused(write, field):
    path = write("a.avi", pyav_videos.flat(10))
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 8 + {"scale": 20, "rate": 24}[field]
    assert struct.unpack_from("<I", data, at) == ({"scale": 1, "rate": 10}[field],)
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    assert video_refusal(path) == "0 frames per second according to its header"


def test_an_avi_file_without_a_length(write):
    """The microseconds per frame and the number of frames are not needed."""
    path = write("a.avi", pyav_videos.flat(10))
    data = bytearray(path.read_bytes())
    for at in (data.index(b"avih") + 8, data.index(b"avih") + 24, data.index(b"strh") + 40):
        data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    assert list(read_video(path, ALL).times) == pytest.approx(np.arange(10) / 10)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "nut", "flv"])
def test_pictures_that_all_have_the_same_time_are_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as out:
        track = out.add_stream("flv1" if suffix == "flv" else "mjpeg", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p" if suffix == "flv" else "yuvj420p"
        for frame in pyav_videos.flat(5):
            for packet in track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                packet.pts = packet.dts = packet.duration = 0
                out.mux(packet)
    assert video_refusal(path) == "0 frames per second: all 5 pictures have the same time"


@pytest.mark.parametrize(("suffix", "codec"), [("h264", "libx264"), ("m2v", "mpeg2video")])
def test_a_stream_without_a_container_has_the_rate_of_its_codec(tmp_path, suffix, codec):
    path = pyav_videos.write(tmp_path / f"a.{suffix}", pyav_videos.flat(10), 25, codec=codec)
    assert np.diff(read_video(path, ALL).times) == pytest.approx([0.04] * 9)
