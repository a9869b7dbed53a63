"""Tracks that begin after the part of a file that FFmpeg reads to open it: MPEG streams have no header that names them."""

import numpy as np
import pytest
from helpers.ffmpeg import SAMPLING, ffmpeg
from helpers.ffmpeg_videos import CODECS, convert

from misc.video_reading import reader
from misc.video_reading.media import SAMPLE_RATE
from misc.video_reading.reader import read_video

SLIDES = "testsrc2=s=96x64:r=1/{}:d={}"
TONE = "aevalsrc='0.4*sin(2*PI*300*t)':s=48000:d={}"


@pytest.fixture
def sound_in_the_middle(films, tmp_path):
    """40 s of pictures in a PS file, with sound from 8 to 11 s: neither the begin nor the end of the file has any."""
    path, pictures = tmp_path / "a.vob", "testsrc2=s=160x128:r=25:d=40"
    sources = ("-f", "lavfi", "-i", pictures, "-itsoffset", 8, "-i", films / "b.mp4", "-map", "0:v", "-map", "1:a")
    ffmpeg("-v", "fatal", *sources, "-c:v", "mpeg2video", "-q:v", 2, "-c:a", "ac3", "-muxrate", "20M", path)
    return path


def test_sound_that_begins_after_what_is_read_at_first(sound_in_the_middle):
    media = read_video(sound_in_the_middle, SAMPLING)
    assert media.times[-1] > 39 and media.warnings == ()
    assert len(media.sound) == pytest.approx(3 * SAMPLE_RATE, rel=0.02)


def test_sound_that_begins_too_late_to_be_found(sound_in_the_middle, monkeypatch):
    monkeypatch.setattr(reader, "MAX_PROBED_BYTES", 100000)
    media = read_video(sound_in_the_middle, SAMPLING)
    assert media.times[-1] > 39 and media.sound is None
    assert media.warnings == ("a track that begins late is left out",)


@pytest.mark.parametrize("suffix", ["ts", "vob"])
def test_sound_that_begins_late(films, long_film, tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    tracks = ("-i", long_film, "-itsoffset", 6, "-i", films / "b.mp4", "-map", "0:v", "-map", "1:a")
    ffmpeg(*tracks, *CODECS.get(suffix, ("-c:v", "copy")), "-c:a", "ac3", path)
    media = read_video(path, SAMPLING)
    assert media.times[-1] > 11 and len(media.sound) == pytest.approx(3 * SAMPLE_RATE, rel=0.02)


def test_sound_in_the_second_of_two_parts(films, long_film, tmp_path):
    silent, loud = convert(long_film, tmp_path / "a.ts", "-an"), convert(films / "b.mp4", tmp_path / "b.ts")
    path = tmp_path / "joined.ts"
    path.write_bytes(silent.read_bytes() + loud.read_bytes())
    media, part = read_video(path, SAMPLING), read_video(loud, SAMPLING)
    assert media.times[-1] > 14 and np.array_equal(media.sound, part.sound)


@pytest.mark.parametrize(("suffix", "codecs"), [("ts", ("-c", "copy")), ("mpg", CODECS["mpg"])])
def test_pictures_that_begin_late(films, long_film, tmp_path, suffix, codecs):
    path = tmp_path / f"a.{suffix}"
    ffmpeg("-itsoffset", 8, "-i", films / "a.mp4", "-i", long_film, "-map", "0:v", "-map", "1:a", "-vsync", 0, *codecs, path)
    media, clean = read_video(path, SAMPLING), read_video(films / "a.mp4", SAMPLING)
    assert media.frames.shape == clean.frames.shape and np.abs(np.int16(media.frames) - clean.frames).mean() < 4
    assert len(media.sound) == pytest.approx(12 * SAMPLE_RATE, rel=0.02)


@pytest.mark.parametrize(("seconds", "number"), [(10, 4), (40, 3)])
def test_slides_beside_sound(tmp_path, seconds, number):
    path, length = tmp_path / "a.ts", seconds * number
    sources = ("-f", "lavfi", "-i", SLIDES.format(seconds, length), "-f", "lavfi", "-i", TONE.format(length))
    ffmpeg(*sources, "-c:v", "libx264", "-bf", 0, "-c:a", "aac", path)
    media = read_video(path, SAMPLING)
    assert media.times[-1] == pytest.approx(length, abs=1.5)
    assert len(media.sound) == pytest.approx(length * SAMPLE_RATE, rel=0.02)
    changes = np.abs(np.diff(np.int16(media.frames), axis=0)).mean(axis=(1, 2, 3)) > 1
    assert changes.sum() == number - 1


def test_unknown_size_and_rate(films, monkeypatch):
    """A track whose size or rate is unknown when the file is opened is decoded: the frames tell both."""
    monkeypatch.setattr("misc.video_reading.tracks._size_or_rate", lambda track: 0)
    media = read_video(films / "a.mp4", SAMPLING)
    assert len(media.frames) == 25 and media.sound is not None
