"""Formats of files: wrong suffixes, and files that are truncated."""

from fractions import Fraction

import av
import numpy as np
import pytest
from helpers import pyav_videos
from helpers.pyav_videos import ALL, USUAL, video_refusal

from misc.video_reading.media import SAMPLE_RATE
from misc.video_reading.reader import read_video


@pytest.mark.parametrize(
    ("made", "names"),
    [
        ("a.webm", ["a.mkv", "A.WEBM", "a", "a.b c", "%03d.webm", "a|b.webm", "take.001"]),
        ("a.mp4", ["a.m4v", "a.mov", "a.3gp", "a.qt"]),
        ("a.ts", ["a.mpg", "a.vob", "a.m2ts"]),
        ("a.avi", ["a.divx", "a.avi"]),
        ("a.nut", ["a.nut", "a.film"]),
    ],
)
def test_suffixes_of_the_same_container_and_unknown_suffixes(write, made, names):
    # Of noise, so that there are enough bytes to detect the format.
    frames = np.random.default_rng(0).integers(0, 256, (9, 48, 64, 3), np.uint8)
    path = write(made, frames, codec="libvpx" if made.endswith("webm") else "mpeg4")
    for name in names:
        path = path.rename(path.with_name(name))
        assert len(read_video(path, ALL).frames) == 9


@pytest.mark.parametrize(
    ("made", "name", "expected"),
    [
        ("a.webm", "a.mp4", "matroska,webm, expected a suffix such as .mkv or .webm"),
        ("a.webm", "a.AVI", "matroska,webm, expected a suffix such as .mkv or .webm"),
        ("a.mp4", "a.webm", "mov,mp4,m4a,3gp,3g2,mj2, expected a suffix such as .mp4 or .m4v"),
        ("a.mp4", "a.jpg", "mov,mp4,m4a,3gp,3g2,mj2, expected a suffix such as .mp4 or .m4v"),
        ("a.avi", "a.txt", "avi, expected a suffix such as .avi or .divx"),
        ("a.nut", "a.mp3", "nut"),
    ],
)
def test_a_wrong_suffix_is_refused(write, made, name, expected):
    path = write(made, pyav_videos.flat(3), codec="libvpx" if made.endswith("webm") else "mpeg4")
    wrong = path.rename(path.with_name(name))
    assert video_refusal(wrong) == f"its suffix {wrong.suffix.lower()} is wrong: by its content it is {expected}"


def test_long_packets_of_sound_are_not_a_truncation(write):
    path = write("a.mkv", pyav_videos.flat(3), sound=pyav_videos.sine(9, 8000, 440), sample_rate=8000, packet=9 * 8000)
    assert len(read_video(path, USUAL).sound) == 9 * SAMPLE_RATE


@pytest.mark.parametrize(("suffix", "codec"), [("webm", "libvpx"), ("mkv", "mpeg4"), ("avi", "mpeg4"), ("wmv", "wmv2")])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7])
def test_a_file_that_is_cut_off(write, suffix, codec, share):
    """Ten seconds of noise, so that bytes are proportional to seconds."""
    frames = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    path = write(f"a.{suffix}", frames, 5, codec=codec)
    assert len(read_video(path, USUAL).frames) == 50
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])
    message = video_refusal(path)
    assert message.startswith(("no video, or damaged (", "no picture can be decoded", "cut off: it "))
    if suffix in ("avi", "wmv") and share >= 0.5:
        assert message == f"cut off: it has {path.stat().st_size} of {len(data)} bytes"
    elif suffix in ("webm", "mkv") and share >= 0.3:
        assert message.startswith("cut off: it ends after ") and message.endswith(" of 10.0 s")


def test_a_longer_track_that_is_not_decoded_is_not_a_truncation(tmp_path):
    """One second of pictures, and ten seconds of a second sound track."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height = 64, 48
        sounds = [out.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(2)]
        for frame in pyav_videos.flat(10):
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
        for track, seconds in zip(sounds, (1, 10), strict=True):
            packet = av.Packet(bytes(16000 * seconds))
            packet.stream, packet.time_base, packet.pts, packet.dts = track, Fraction(1, 1000), 0, 0
            packet.duration = 1000 * seconds
            out.mux(packet)
    with av.open(str(path)) as file:
        assert file.duration == pytest.approx(10e6, rel=0.01)
    assert len(read_video(path, ALL).frames) == 10


def test_a_file_that_lacks_less_than_a_tenth_is_used(write):
    frames = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    path = write("a.webm", frames, 5, codec="libvpx")
    data = path.read_bytes()
    path.write_bytes(data[: round(0.93 * len(data))])
    assert 40 < len(read_video(path, USUAL).frames) < 50
