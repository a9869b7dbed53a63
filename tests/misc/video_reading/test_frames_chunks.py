"""Frames of long videos in chunks, and the start of sound."""

from fractions import Fraction

import av
import numpy as np
import pytest
from helpers.pyav_videos import USUAL, flat, frame_numbers, sine, write
from hypothesis import given
from hypothesis import strategies as st

from misc.video_reading.frames import ChunkSampler, FrameSampler
from misc.video_reading.media import SAMPLE_RATE, Sampling
from misc.video_reading.reader import Chunks, probe_length, read_video
from misc.video_reading.timeline import usual_interval


@given(
    gaps=st.lists(st.integers(1, 9000), min_size=1, max_size=60),
    rate=st.sampled_from([0.5, 2, 8]),
    most=st.integers(1, 50),
    seconds=st.sampled_from([1.0, 10.0]),
)
def test_chunks_have_all_frames_and_each_those_of_its_seconds(gaps, rate, most, seconds):
    times = np.cumsum([0, *gaps[:-1]]).tolist()
    length, interval = sum(gaps) / 1000, usual_interval(np.array(times) / 1000)
    whole_rate = min(rate, most / seconds)
    convert = lambda frame: np.full((1, 1, 3), times.index(frame.pts))  # noqa: E731
    whole = FrameSampler(Sampling(whole_rate, 10**9, 480, 1), length, interval, convert)
    chunked = ChunkSampler(Sampling(rate, most, 480, 1), length, interval, convert, seconds)
    chunks = []
    for milliseconds in times:
        frame = av.VideoFrame(16, 16, "gray")
        frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
        whole.add(frame)
        chunked.add(frame)
        chunks += chunked.take_chunks()
    chunks += chunked.take_chunks(is_end=True)
    frames, shown = whole.finish()
    assert np.array_equal(np.concatenate([x for x, _ in chunks]), frames)
    np.testing.assert_allclose(np.concatenate([x for _, x in chunks]), shown)
    numbers = [np.unique((x + 1e-6) // seconds) for _, x in chunks]
    assert all(len(x) == 1 for x in numbers) and len(numbers) == len({x[0] for x in numbers})


def read_chunks(path, min_length=2.0, sampling=USUAL, max_sound=100.0):
    found = []
    media = read_video(path, sampling, Chunks(1.0, min_length, max_sound, lambda *chunk: found.append(chunk)))
    return media, found


def test_a_long_video_is_given_out_in_chunks_and_decoded_as_without(tmp_path):
    path = write(tmp_path / "a.mkv", flat(25), 10)
    media, chunks = read_chunks(path)
    assert [frame_numbers(frames) for frames, _ in chunks] == [[0, 2, 4, 6, 8], [10, 12, 14, 16, 18], [20, 22, 24]]
    assert [times.tolist() for _, times in chunks][2] == pytest.approx([2.0, 2.2, 2.4])
    plain = read_video(path, USUAL)
    assert np.array_equal(media.frames, plain.frames) and media.seconds == plain.seconds == pytest.approx(2.5)
    assert read_chunks(path, min_length=2.6)[1] == []


def test_sound_after_the_described_part_is_kept_for_long_videos_only(tmp_path):
    sound = np.concatenate([sine(1, SAMPLE_RATE, 300), 0.5 * sine(1.5, SAMPLE_RATE, 500)])
    path = write(tmp_path / "a.mkv", flat(25), 10, np.stack([sound, sound], axis=1), SAMPLE_RATE)
    short = Sampling(8, 160, 480, 1.0)
    media, _ = read_chunks(path, sampling=short)
    assert np.array_equal(media.sound, read_video(path, short).sound) and len(media.sound) == SAMPLE_RATE
    np.testing.assert_allclose(media.later_sound, sound[SAMPLE_RATE:], atol=2e-3)
    assert media.sound_end == pytest.approx(media.sound_start + 1)
    assert len(read_chunks(path, sampling=short, max_sound=0.5)[0].later_sound) == SAMPLE_RATE / 2
    assert read_chunks(path, sampling=short, min_length=9)[0].later_sound is None
    assert read_video(path, short).later_sound is None and read_chunks(path)[0].later_sound is None


@pytest.mark.parametrize("offset", [0.0, 0.3, 1.5])
def test_sound_that_starts_after_the_pictures(tmp_path, offset):
    path = write(tmp_path / "a.mkv", flat(25), 10, sine(1, SAMPLE_RATE, 300), SAMPLE_RATE, sound_offset=offset)
    media = read_video(path, USUAL)
    assert media.sound_start == pytest.approx(offset, abs=0.01) and media.sound_end == pytest.approx(offset + 1, abs=0.01)


def test_the_length_in_the_header(tmp_path):
    path = write(tmp_path / "a.mkv", flat(25), 10)
    assert probe_length(path) == pytest.approx(2.5, abs=0.11)
    path.write_bytes(b"no film")
    assert probe_length(path) == 0 and probe_length(tmp_path / "nothing.mkv") == 0
