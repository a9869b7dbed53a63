"""Recognition of files that are not videos by their names."""

import mimetypes
from pathlib import Path

import pytest

from misc.video_reading import formats
from misc.video_reading.formats import kind_of_other_file
from utils.visualizer.videos import VIDEO_SUFFIXES

SOME = (
    "jpg JPEG heic cr2 svg mp3 M4A flac srt vtt txt csv md json py db ini lnk xmp thm nfo zip tar gz pdf "
    "part crdownload tmp bak m3u8 edl tbn iso apng vcf gpx arw jfif"
)


@pytest.mark.parametrize("suffix", SOME.split())
def test_files_beside_videos(suffix):
    assert kind_of_other_file(Path(f"a/b.{suffix}")) == f".{suffix.lower()}"


def test_no_video_is_among_them():
    """A file with an unknown suffix, or without one, is not skipped either."""
    by_type = {suffix for suffix, kind in mimetypes.MimeTypes().types_map[True].items() if kind.startswith("video/")}
    of_formats = {suffix for suffixes in formats.FORMAT_SUFFIXES.values() for suffix in suffixes}
    others = {".dat", ".lrv", ".mjpg", ".mxf", ".rm", ".rmvb", ".y4m", ".gif", ".xyz", ""}
    for suffix in by_type | of_formats | others | set(VIDEO_SUFFIXES):
        assert kind_of_other_file(Path(f"a/b{suffix}")) is None, suffix
    assert kind_of_other_file(Path("README.txt/clip")) is None and kind_of_other_file(Path("jpg")) is None


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "README", "LICENSE", "Icon\r", "a.mp4~", "b~", "a.mp4.part", "a.mp4.part-Frag12"]
)
def test_files_of_systems_and_people(name):
    assert kind_of_other_file(Path(name))
