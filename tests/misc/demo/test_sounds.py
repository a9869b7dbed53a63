"""Sounds of the Demo."""

import dataclasses

import numpy as np
import pytest

from misc.demo import experts
from misc.demo.clips import ATTRIBUTES, plan_clips
from misc.demo.sounds import SAMPLE_RATE, synthesize_sound

SOUNDS = ATTRIBUTES["sound"][0]


@pytest.mark.parametrize("sound", SOUNDS)
def test_sounds_differ_in_their_spectrum(sound):
    clips = [clip for seed in range(3) for clip in plan_clips(40, seed)]

    def spectrum(name, clip):
        return experts.audio(synthesize_sound(dataclasses.replace(clip, sound=name), 2.0), SAMPLE_RATE).mean(axis=0)

    centers = {name: np.mean([spectrum(name, clip) for clip in clips[:12]], axis=0) for name in SOUNDS}
    nearest = [
        min(SOUNDS, key=lambda name: np.linalg.norm(centers[name] - x)) for x in (spectrum(sound, c) for c in clips[60:72])
    ]
    assert nearest.count(sound) >= 8
