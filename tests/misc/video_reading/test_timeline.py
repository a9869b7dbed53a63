"""Clocks of files that are reset or begin late, beside a clean copy of the same content."""

import re
import subprocess
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.ffmpeg import SAMPLING, ffmpeg
from helpers.ffmpeg_videos import CODECS, assert_like, convert
from hypothesis import given
from hypothesis import strategies as st

from misc.video_reading.media import VideoError
from misc.video_reading.reader import read_video
from misc.video_reading.timeline import Clock, usual_interval

UNIT = Fraction(1, 90000)
ORDER = (0, 3, 1, 2)  # of pictures in the file, of four that are shown one after the other


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


# ---- resets -----------------------------------------------------------------------------------------------------------


def packets_of(start, number):
    """Return packets of pictures (track 0) and sound (track 1) in the order of a file, 0.1 s each, from `start` seconds."""

    def packet(track, shown, decoded):
        pts, dts = (round((start + n / 10) / UNIT) for n in (shown, decoded))
        times = {"pts": pts, "dts": dts, "time_base": UNIT, "duration": 9000}
        stream = SimpleNamespace(type="audio" if track else "video")
        return SimpleNamespace(
            stream_index=track, stream=stream, is_keyframe=track == 1 or shown % 4 == 0, shown=shown, **times
        )

    pictures = [packet(0, i - i % 4 + ORDER[i % 4], i - 2) for i in range(number)]
    return [x for i, picture in enumerate(pictures) for x in (picture, packet(1, i, i))]


@given(
    starts=st.lists(st.integers(-900, 900), min_size=1, max_size=5),
    lengths=st.lists(st.integers(2, 6), min_size=5, max_size=5),
    late=st.integers(0, 3),
    jumps_ahead=st.booleans(),
)
def test_runs_of_a_clock_follow_one_another(starts, lengths, late, jumps_ahead):
    """The last packets of the sound of a run may come after the first picture of the next."""
    if not jumps_ahead:
        starts = sorted(starts, reverse=True)
    in_file, begin, held = [], 100.0 * starts[0], []
    for start, length in zip(starts, lengths, strict=False):
        run = [(packet, begin + packet.shown / 10) for packet in packets_of(100.0 * start, 4 * length)]
        in_file += [run[0], *held, *run[1 : len(run) - 2 * late]]
        rest = run[len(run) - 2 * late :]
        in_file += [pair for pair in rest if pair[0].stream_index == 0]
        held = [pair for pair in rest if pair[0].stream_index == 1]
        begin += 0.4 * length
    clock = Clock(jumps_ahead)
    found = [clock.adjust(packet) for packet, _ in in_file]
    assert found == pytest.approx([seconds for _, seconds in in_file], abs=1e-3)
    assert found == pytest.approx([float(packet.pts * UNIT) for packet, _ in in_file])


@pytest.mark.parametrize(("ahead", "tracks"), [(3, 2), (90, 1), (590, 1)])
def test_a_gap_between_pictures_is_no_jump(ahead, tracks):
    """A pause of a few seconds, or a still picture in a file without sound."""
    clock = Clock(jumps_ahead=True)
    first, further = ([p for p in packets_of(start, 8) if p.stream_index < tracks] for start in (0.0, ahead))
    for packet in first:
        clock.adjust(packet)
    assert [clock.adjust(packet) for packet in further] == pytest.approx([ahead + packet.shown / 10 for packet in further])


@pytest.mark.parametrize("ahead", [6, 30, 59])
def test_a_jump_of_sound_and_pictures_together(ahead):
    clock = Clock(jumps_ahead=True)
    packets = packets_of(0.0, 8) + packets_of(ahead, 8)
    found = [clock.adjust(packet) for packet in packets]
    assert found == pytest.approx([(i // 16) * 0.8 + p.shown / 10 for i, p in enumerate(packets)])


def test_a_still_picture_with_sound_is_no_jump():
    """Minutes without a picture, while the sound goes on."""
    clock = Clock(jumps_ahead=True)
    packets = packets_of(0.0, 2000)
    kept = [p for p in packets if p.stream_index == 1 or not 0.5 < p.shown / 10 < 150]
    assert [clock.adjust(p) for p in kept] == pytest.approx([p.shown / 10 for p in kept])


@pytest.mark.parametrize(
    ("suffix", "offsets", "clean"),
    [
        ("ts", (0, 0), "ab"),
        ("ts", (0, 3600), "ab"),
        ("ts", (0, 12), "ab"),
        ("ts", (0, 50), "ab"),
        ("ts", (3600, 0), "ba"),
        ("ts", (0, 95442), "ab"),  # the clock of 33 bits begins again in the second part
        ("mpg", (0, 0), "ab"),
        ("vob", (0, 0), "ab"),
        ("mpg", (0, 3600), "ab"),
        ("mkv", (0, 0), "aa"),
    ],
)
def test_joined_files(films, tmp_path, suffix, offsets, clean):
    parts = []
    for name, offset in zip(clean, offsets, strict=True):
        shift = ("-output_ts_offset", offset) if offset else ()
        parts.append(convert(films / f"{name}.mp4", tmp_path / f"{name}{len(parts)}.{suffix}", *shift))
    assert_like(joined(tmp_path / f"joined.{suffix}", *parts), films / f"{clean}.mp4")


@pytest.mark.parametrize(
    ("suffix", "options"), [("flv", ()), ("ts", ("-mpegts_start_pid", 512, "-mpegts_pmt_start_pid", 5000))]
)
def test_joined_files_of_which_the_first_is_read(films, tmp_path, suffix, options):
    """FFmpeg does not read the second one."""
    first, second = convert(films / "a.mp4", tmp_path / f"a.{suffix}"), tmp_path / f"b.{suffix}"
    path = joined(tmp_path / f"joined.{suffix}", first, convert(films / "b.mp4", second, *options))
    warning = rf"only \d+ of {path.stat().st_size} bytes can be read"
    assert re.fullmatch(warning, assert_like(path, films / "a.mp4").warnings[0])


def test_joined_files_that_cannot_be_read(films, tmp_path):
    parts = [convert(films / f"{name}.mp4", tmp_path / f"{name}.ogv") for name in "ab"]
    with pytest.raises(VideoError, match=r"^it cannot be read to its end \(.+\)$"):
        read_video(joined(tmp_path / "joined.ogv", *parts), SAMPLING)


def test_usual_gap_of_rounded_times():
    """30 pictures a second in milliseconds; some are missing, and the order is that of decoding."""
    times = np.round(np.arange(300) / 30, 3)
    assert usual_interval(times) == pytest.approx(1 / 30, abs=1e-5)
    assert usual_interval(np.delete(times, [7, 50, 51, 200])[::-1]) == pytest.approx(1 / 30, abs=1e-5)
    assert usual_interval(np.zeros(5)) == usual_interval(np.zeros(0)) == 0


# ---- times that begin late --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "wmv", "nut", "flv", "ogv"])
def test_times_that_begin_an_hour_late(films, tmp_path, suffix):
    assert_like(convert(films / "a.mp4", tmp_path / f"a.{suffix}", "-output_ts_offset", 3600), films / "a.mp4")


@pytest.mark.parametrize("suffix", ["mkv", "flv"])
def test_late_times_do_not_hide_a_cut(films, tmp_path, suffix):
    path = convert(films / "a.mp4", tmp_path / f"a.{suffix}", "-output_ts_offset", 3600)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"cut off: it ends after \d\.\d of 4\.\d s"):
        read_video(path, SAMPLING)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_segments_of_dash(films, tmp_path, number):
    """The header says how long the whole presentation is."""
    ffmpeg("-i", films / "a.mp4", "-c", "copy", "-an", "-f", "dash", "-seg_duration", 1, tmp_path / "a.mpd")
    header, segment = tmp_path / "init-stream0.m4s", tmp_path / f"chunk-stream0-{number:05d}.m4s"
    clean = tmp_path / "clean.mp4"
    ffmpeg("-ss", number - 1, "-i", films / "a.mp4", "-t", 1, "-an", "-c:v", "libx264", clean)
    assert_like(joined(tmp_path / "late.mp4", header, segment), clean)


@pytest.mark.parametrize("suffix", ["avi", "mkv", "flv", "wmv", "nut", "ts"])
def test_files_that_are_written_through_a_pipe(films, tmp_path, suffix):
    """Their headers are written before it is known how long they are."""
    path, form = tmp_path / f"a.{suffix}", {"mkv": "matroska", "ts": "mpegts", "wmv": "asf"}.get(suffix, suffix)
    codecs = CODECS.get(suffix, ("-c", "copy"))
    command = ["ffmpeg", "-v", "error", "-i", films / "a.mp4", *codecs, "-f", form, "-"]
    path.write_bytes(subprocess.run([str(x) for x in command], capture_output=True, check=True).stdout)
    if suffix == "avi":
        assert path.read_bytes()[4:8] == b"\xff" * 4
    assert_like(path, films / "a.mp4")
