"""Writing clips and reading them back."""

import numpy as np

from misc.demo import experts
from misc.demo.clips import plan_clips
from misc.demo.drawing import FRAMES, RATE, draw_frames
from misc.demo.sounds import SAMPLE_RATE, synthesize_sound
from misc.demo.video_files import read_clip, write_clip


def test_a_file_holds_the_drawn_frames_and_the_sound(tmp_path):
    clip = next(clip for clip in plan_clips(40, 0) if clip.sound)
    drawn, played = draw_frames(clip), synthesize_sound(clip, FRAMES / RATE)
    write_clip(tmp_path / "clip.webm", drawn, RATE, played, SAMPLE_RATE)
    images, sound = read_clip(tmp_path / "clip.webm", SAMPLE_RATE)
    assert images.shape == (FRAMES, 120, 160, 3) and np.abs(images.astype(int) - np.stack(drawn)).mean() < 8
    assert abs(len(sound) - len(played)) < 1000
    before, after = experts.audio(played, SAMPLE_RATE).mean(axis=0), experts.audio(sound, SAMPLE_RATE).mean(axis=0)
    assert np.corrcoef(before, after)[0, 1] > 0.95
