"""Mutated video files are decoded or refused, and few are refused for a few bytes."""

import ast
from pathlib import Path

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.ffmpeg import SAMPLING
from helpers.ffmpeg_videos import convert
from helpers.fuzzing import mutated
from helpers.isolated_process import MIB, outcome
from helpers.pyav_videos import USUAL

from misc.video_reading.media import SAMPLE_RATE, VideoError
from misc.video_reading.reader import read_video


def assert_well_formed(media, sampling):
    assert media.frames.dtype == np.uint8 and media.frames.ndim == 4 and media.frames.shape[3] == 3
    assert 0 < len(media.frames) == len(media.times) <= sampling.max_frames
    assert max(media.frames.shape[1:3]) <= sampling.max_side and min(media.frames.shape[1:3]) > 0
    assert media.times[0] == 0 and np.isfinite(media.times).all() and (np.diff(media.times) > 0).all()
    if media.sound is not None:
        assert media.sound.dtype == np.float32 and media.sound.ndim == 1 and np.abs(media.sound).max() <= 1
        assert 0 < len(media.sound) <= sampling.max_seconds * SAMPLE_RATE and np.isfinite(media.sound).all()


def _take_mutations(paths, number):
    """Return per file how many of its mutations are decoded, and how many are refused."""
    rng, counts = np.random.default_rng(0), []
    for path in map(Path, paths):
        data, mutation, whole = path.read_bytes(), path.with_stem("mutated"), 0
        for _ in range(number):
            mutation.write_bytes(mutated(data, rng))
            try:
                assert_well_formed(read_video(mutation, USUAL), USUAL)
                whole += 1
            except VideoError as error:
                assert str(error).isprintable()
        counts.append((whole, number - whole))
    return counts


@pytest.mark.share
def test_mutated_videos_are_decoded_or_refused(tmp_path):
    """No file crashes the process, hangs or takes much memory."""
    kinds = {
        "a.webm": {"codec": "libvpx", "sound_codec": "libopus"},
        "a.mp4": {"sound_codec": "aac"},
        "a.avi": {},
        "a.ts": {"sound_codec": "mp2"},
    }
    frames, tone = pyav_videos.flat(8, 32, 32), pyav_videos.sine(0.5, 48000, 440)
    paths = [str(pyav_videos.write(tmp_path / name, frames, 10, tone, **options)) for name, options in kinds.items()]
    found = outcome(_take_mutations, paths, 60, method="spawn")
    assert found.kind == "returned", found
    *with_length, (whole, _) = ast.literal_eval(found.text)
    assert all(min(counts) >= 3 for counts in with_length) and whole >= 3, found  # MPEG-TS has no length in its header
    assert found.growth < 250 * MIB, found


def test_light_damage_costs_few_files(films, tmp_path):
    """Four bytes anywhere but in the head, in each of 6 kinds of files: 12 of 60 were refused before."""
    rng, refused = np.random.default_rng(0), []
    for suffix in ("mp4", "mkv", "ts", "webm", "avi", "mpg"):
        path = convert(films / "a.mp4", tmp_path / f"a.{suffix}")
        data = path.read_bytes()
        for number in range(10):
            at = int(rng.integers(len(data) // 20, len(data) * 19 // 20))
            path.write_bytes(data[:at] + rng.bytes(4) + data[at + 4 :])
            try:
                media = read_video(path, SAMPLING)
                assert media.sound is not None and len(media.frames) > 20, (suffix, number)
            except VideoError as error:
                refused.append((suffix, number, str(error)))
    assert len(refused) <= 2, refused
