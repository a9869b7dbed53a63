"""Which of several picture tracks of a file is read."""

import pytest
from helpers.ffmpeg import SAME, SAMPLING, ffmpeg, similarity

from misc.video_reading.reader import read_video


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=128x96:r=10:d=2", "-c:v", "mpeg4", "-q:v", 3, path)
    return path


@pytest.fixture(scope="session")
def thumbnail(tmp_path_factory):
    path = tmp_path_factory.mktemp("thumbnail") / "thumbnail.mp4"
    ffmpeg("-f", "lavfi", "-i", "smptebars=s=64x48:r=1", "-frames:v", 1, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", path)
    return path


def join(path, tracks, flags):
    """Write a file of the picture tracks of files, with the disposition of each."""
    inputs = [x for track in tracks for x in ("-i", track)]
    maps = [x for i, flag in enumerate(flags) for x in ("-map", i, f"-disposition:v:{i}", flag)]
    ffmpeg(*inputs, *maps, "-c", "copy", path)
    return path


@pytest.mark.parametrize(
    ("suffix", "flags"),
    [
        ("mkv", ("0", "default")),
        ("mp4", ("0", "default")),
        ("mov", ("0", "default")),
        ("mp4", ("default", "0")),  # it has a single picture
        ("mp4", ("attached_pic", "0")),
        ("mkv", ("default", "default")),  # its header does not say that it has a single picture
        ("nut", ("0", "0")),
    ],
)
def test_a_thumbnail_before_the_film_is_not_read(tmp_path, film, thumbnail, suffix, flags):
    path = join(tmp_path / f"a.{suffix}", (thumbnail, film), flags)
    media = read_video(path, SAMPLING)
    assert media.frames.shape[1:3] == (96, 128) and len(media.frames) == 10
    assert similarity(path, film, "scene") > SAME


@pytest.mark.parametrize(("flags", "number"), [(("0", "0"), 0), (("default", "default"), 0), (("0", "default"), 1)])
def test_the_first_of_equal_tracks(tmp_path, film, flags, number):
    other = tmp_path / "other.mp4"
    ffmpeg("-i", film, "-vf", "hflip,scale=64:48", "-c:v", "mpeg4", other)
    path = join(tmp_path / "a.mkv", (film, other), flags)
    assert read_video(path, SAMPLING).frames.shape[1:3] == [(96, 128), (48, 64)][number]


def test_a_single_picture_of_wmv_is_not_read(tmp_path, film, thumbnail):
    path, codecs = tmp_path / "a.wmv", ("-c:v", "wmv2", "-q:v", 2)
    ffmpeg("-i", thumbnail, "-i", film, "-map", "0:v", "-map", "1:v", *codecs, path)
    assert read_video(path, SAMPLING).frames.shape == (10, 96, 128, 3)


def test_a_thumbnail_of_a_size_that_is_not_read_does_not_matter(tmp_path, film):
    tiny = tmp_path / "tiny.mp4"
    ffmpeg("-f", "lavfi", "-i", "smptebars=s=8x8:r=1", "-frames:v", 1, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", tiny)
    path = join(tmp_path / "a.mp4", (tiny, film), ("default", "0"))
    assert read_video(path, SAMPLING).frames.shape == (10, 96, 128, 3)


def test_a_single_picture_is_read_where_there_is_no_other(thumbnail):
    assert read_video(thumbnail, SAMPLING).frames.shape[1:3] == (48, 64)
