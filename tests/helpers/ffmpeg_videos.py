"""Two short films made by ffmpeg, conversions with clean copies, and damage to some packets."""

import functools
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.ffmpeg import SAME, SAMPLING, ffmpeg, load_extractor

from misc.video_reading.media import SAMPLE_RATE, Media
from misc.video_reading.reader import read_video

H264 = ("-c:v", "libx264", "-g", 25, "-bf", 2, "-pix_fmt", "yuv420p")
PLAIN = (*H264, "-c:a", "aac")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", 2, "-c:a", "mp2")
CODECS = {
    "avi": ("-c:v", "mpeg4", "-q:v", 2, "-c:a", "mp3"),
    "mpg": MPEG2,
    "ogv": ("-c:v", "libtheora", "-q:v", 8, "-c:a", "libvorbis"),
    "vob": MPEG2,
    "webm": ("-c:v", "libvpx", "-b:v", "1M", "-c:a", "libvorbis"),
    "wmv": ("-c:v", "wmv2", "-q:v", 2, "-c:a", "wmav2"),
}
JOIN = "[{0}:v][{0}:a][{1}:v][{1}:a]concat=n=2:v=1:a=1"


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Return a folder with `a.mp4` (4 s), `b.mp4` (3 s), and clean concatenations: `ab.mp4`, `ba.mp4`, `aa.mp4`."""
    folder = tmp_path_factory.mktemp("films")
    sources = {
        "a": ("testsrc2=s=96x64:r=25:d=4", "0.4*sin(2*PI*(300+200*t)*t)*gt(sin(9*t),-0.5)"),
        "b": ("mandelbrot=s=96x64:r=25:end_pts=75,trim=duration=3", "0.4*sin(2*PI*(2000-300*t)*t)"),
    }
    for name, (picture, sound) in sources.items():
        seconds = 4 if name == "a" else 3
        heard = f"aevalsrc='{sound}':s=48000:d={seconds}"
        ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", heard, *PLAIN, "-t", seconds, folder / f"{name}.mp4")
    inputs = ("-i", folder / "a.mp4", "-i", folder / "b.mp4", "-i", folder / "a.mp4")
    for name, order in {"ab": (0, 1), "ba": (1, 0), "aa": (0, 2)}.items():
        ffmpeg(*inputs, "-filter_complex", JOIN.format(*order), *PLAIN, folder / f"{name}.mp4")
    return folder


@pytest.fixture(scope="session")
def long_film(films):
    """Return a film of 12 s, three times `a.mp4`."""
    path = films / "long.mp4"
    ffmpeg("-stream_loop", 2, "-i", films / "a.mp4", "-c", "copy", path)
    return path


def convert(source: Path, path: Path, *options) -> Path:
    """Write a file in the codecs for its suffix, or in those of `source` for other suffixes."""
    ffmpeg("-i", source, *CODECS.get(path.suffix[1:], ("-c", "copy")), *options, path)
    return path


def damage(path: Path, kind: str, numbers, size: int | None = 4) -> Path:
    """Overwrite the first `size` bytes (None: all) of packets of the first track of a kind, "video" or "audio"."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as file:
        packets = [bytes(packet) for packet in file.demux() if packet.size and packet.stream.type == kind]
    for number in numbers:
        packet = packets[number]
        at = data.index(packet)
        data[at : at + len(packet)] = b"\xff" * len(packet[:size]) + packet[len(packet[:size]) :]
    path.write_bytes(data)
    return path


def seen_and_heard(path: Path) -> tuple[Media, dict[str, np.ndarray]]:
    """Return the media of a file and its mean features for three experts without a network."""
    media = read_video(path, SAMPLING)
    found = {expert: load_extractor(expert)(media) for expert in ("scene", "flow", "audio")}
    return media, {expert: x.features.mean(axis=0) for expert, x in found.items() if x is not None}


_clean = functools.cache(seen_and_heard)


def _cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Return the cosine of two vectors, 1 for two zeros, which mean no motion."""
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)) if x.any() or y.any() else 1.0


def assert_like(path: Path, clean: Path, seconds=0.25) -> Media:
    """Check that a file has the features and the length (within `seconds`) of a clean copy; return its media."""
    (odd, found), (expected, features) = seen_and_heard(path), _clean(clean)
    assert found.keys() == features.keys()
    alike = {name: _cosine(x, features[name]) for name, x in found.items()}
    assert min(alike.values()) >= SAME, alike
    assert abs(odd.times[-1] - expected.times[-1]) <= seconds, (odd.times, expected.times)
    if expected.sound is not None:
        assert abs(len(odd.sound) - len(expected.sound)) <= seconds * SAMPLE_RATE
    return odd
