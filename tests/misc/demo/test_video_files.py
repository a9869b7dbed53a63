"""Writing clips and reading them back."""

import io
import math

import numpy as np
import pytest
from helpers.stamps import wav

from misc.demo import experts
from misc.demo.clips import plan_clips
from misc.demo.drawing import FRAMES, RATE, draw_frames
from misc.demo.sounds import SAMPLE_RATE, synthesize_sound
from misc.demo.video_files import read_clip, read_sound, write_clip


def test_a_file_holds_the_drawn_frames_and_the_sound(tmp_path):
    clip = next(clip for clip in plan_clips(40, 0) if clip.sound)
    drawn, played = draw_frames(clip), synthesize_sound(clip, FRAMES / RATE)
    write_clip(tmp_path / "clip.webm", drawn, RATE, played, SAMPLE_RATE)
    images, sound = read_clip(tmp_path / "clip.webm", SAMPLE_RATE)
    assert images.shape == (FRAMES, 120, 160, 3) and np.abs(images.astype(int) - np.stack(drawn)).mean() < 8
    assert abs(len(sound) - len(played)) < 1000
    before, after = experts.audio(played, SAMPLE_RATE).mean(axis=0), experts.audio(sound, SAMPLE_RATE).mean(axis=0)
    assert np.corrcoef(before, after)[0, 1] > 0.95


@pytest.mark.parametrize("seconds", [0.25, 1, 3, math.inf])
def test_sound_is_read_up_to_a_limit(seconds):
    file = io.BytesIO(wav(2.0, 440, 48000))
    sound = read_sound(file, 16000, seconds)
    assert len(sound) == pytest.approx(16000 * min(seconds, 2), abs=40) and sound.dtype == np.float32
    assert np.fft.rfftfreq(len(sound), 1 / 16000)[np.abs(np.fft.rfft(sound)).argmax()] == pytest.approx(440, abs=3)


def test_a_file_without_sound_has_none(tmp_path):
    write_clip(tmp_path / "clip.webm", [np.zeros((16, 16, 3), np.uint8)] * 2, 8, None, 16000)
    assert read_sound(tmp_path / "clip.webm", 16000) is None
