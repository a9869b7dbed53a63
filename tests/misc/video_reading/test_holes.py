"""Files that lack a part in the middle, beside legal ones whose pictures are shown for long."""

import functools
import itertools
import shutil

import pytest
from helpers.ffmpeg import SAMPLING
from helpers.ffmpeg_videos import convert

from misc.video_reading.media import VideoError
from misc.video_reading.reader import read_video

REFUSED = r"^(damaged: |it cannot be read to its end|no picture can be decoded|no video, or damaged)"
PARTS = [(0.3, 0.7), (0.02, 0.42)]
STILL = "select='not(between(t,{},{}))'"


@pytest.fixture(scope="module")
def copy_of(long_film):
    """A function that writes a copy of a film in another format, which is converted once."""
    encode = functools.cache(
        lambda suffix, options: write(long_film, long_film.with_name(f"holes{options}.{suffix}"), *options)
    )
    return lambda path, *options: shutil.copyfile(encode(path.suffix[1:], options), path)


def write(film, path, *options):
    return convert(film, path, *options, *(("-movflags", "frag_keyframe+empty_moov") if path.suffix == ".mp4" else ()))


def lose(path, part, is_zeroed):
    """Zero a part of a file, from and to a share of its length, or cut it out."""
    data = path.read_bytes()
    start, end = (round(share * len(data)) for share in part)
    path.write_bytes(data[:start] + (bytes(end - start) if is_zeroed else b"") + data[end:])
    return path


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("suffix", ["mkv", "ogv", "ts", "mp4", "mpg"])
def test_a_part_that_is_zeroed_is_refused(copy_of, tmp_path, suffix, part):
    path = lose(copy_of(tmp_path / f"a.{suffix}"), part, True)
    with pytest.raises(VideoError, match=REFUSED):
        read_video(path, SAMPLING)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("options", [(), ("-an",)])
def test_a_part_that_is_cut_out_is_refused(copy_of, tmp_path, suffix, part, options):
    path = lose(copy_of(tmp_path / f"a.{suffix}", *options), part, False)
    with pytest.raises(VideoError, match=REFUSED):
        read_video(path, SAMPLING)


@pytest.mark.parametrize("suffix", ["ogv", "ts", "flv", "mpg"])
def test_a_part_that_is_cut_out_where_no_header_tells(copy_of, tmp_path, suffix):
    path = lose(copy_of(tmp_path / f"a.{suffix}"), (0.3, 0.7), False)
    assert "have neither pictures nor sound" in read_video(path, SAMPLING).warnings[0]


def test_a_small_hole_is_a_warning(copy_of, tmp_path):
    path = lose(copy_of(tmp_path / "a.ts"), (0.48, 0.53), True)
    assert read_video(path, SAMPLING).warnings[0].endswith("s are missing")


@pytest.mark.parametrize(
    ("suffix", "sound", "bounds"),
    [
        *itertools.product(["mkv", "mp4", "ts", "flv"], [True, False], [(2, 11), (6, 11.5)]),
        ("webm", True, (2, 11)),
        ("webm", False, (6, 11.5)),
    ],
)
def test_a_long_still_is_no_hole(long_film, tmp_path, suffix, sound, bounds):
    path = tmp_path / f"a.{suffix}"
    codecs = () if suffix == "webm" else ("-c:v", "libx264", "-c:a", "aac")
    write(
        long_film,
        path,
        "-vf",
        STILL.format(*bounds),
        "-vsync",
        "vfr",
        "-max_interleave_delta",
        0,
        *codecs,
        *(() if sound else ("-an",)),
    )
    media = read_video(path, SAMPLING)
    assert media.times[-1] > 11 and media.warnings == () and (media.sound is not None) == sound


def test_attached_files_are_no_hole(long_film, tmp_path):
    """They lie in front of the first picture, which is shown late."""
    font = tmp_path / "a.ttf"
    font.write_bytes(bytes(range(256)) * 2000)
    attached = ("-attach", font, "-metadata:s:t", "mimetype=font/ttf")
    path = write(long_film, tmp_path / "a.mkv", *attached, "-output_ts_offset", 3)
    assert read_video(path, SAMPLING).warnings == ()
