"""Films of demo clips with known times."""

import numpy as np
import pytest

from misc.demo.clips import plan_clips
from misc.demo.drawing import RATE, draw_frames
from misc.demo.films import MIN_SECONDS, write_film
from misc.demo.sounds import SAMPLE_RATE
from misc.demo.video_files import read_clip


def test_a_film_shows_its_clips_at_their_times(tmp_path):
    clips = [clip for clip in plan_clips(40, 0) if not clip.topic][:3]
    moments = write_film(clips, tmp_path / "film.webm")
    assert [(x["start"], x["end"]) for x in moments] == [(i * MIN_SECONDS, (i + 1) * MIN_SECONDS) for i in range(3)]
    frames, sound = read_clip(tmp_path / "film.webm", SAMPLE_RATE)
    assert len(frames) == 3 * MIN_SECONDS * RATE and len(sound) == pytest.approx(3 * MIN_SECONDS * SAMPLE_RATE, rel=0.01)
    for clip, moment in zip(clips, moments, strict=True):
        first = round(moment["start"] * RATE)
        pictures = np.stack(draw_frames(clip)).astype(float)
        for offset, expected in ((0, pictures[0]), (len(pictures) - 1, pictures[-1]), (len(pictures), pictures[-1])):
            shown = frames[first + offset].astype(float)
            assert np.abs(shown - expected).mean() < min(12, 0.6 * np.abs(shown - 255 + expected).mean())
        part = sound[round(moment["start"] * SAMPLE_RATE) + 800 : round(moment["end"] * SAMPLE_RATE) - 800]
        assert (np.abs(part).max() > 0.01) == (clip.sound is not None)
        assert moment["captions"] and all(isinstance(caption, str) for caption in moment["captions"])
