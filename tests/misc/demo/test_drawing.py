"""The drawn motion is the one that captions name."""

import dataclasses

import numpy as np
import pytest

from misc.demo.clips import plan_clips
from misc.demo.drawing import draw_frames


def middle_of_object(frame, background):
    """Return the mean (x, y) of the pixels that differ from the background."""
    rows, columns = np.nonzero(np.abs(frame - background).max(axis=2) > 30)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize(
    ("motion", "direction"), [("right", (1, 0)), ("left", (-1, 0)), ("rise", (0, -1)), ("fall", (0, 1))], ids=str
)
def test_the_object_moves_in_the_named_direction(motion, direction):
    plain = dataclasses.replace(plan_clips(1, 0)[0], hair=None, word=None, size="small", color="red")
    frames = np.stack(draw_frames(dataclasses.replace(plain, motion=motion))).astype(float)
    background = np.median(frames, axis=0)  # the object is elsewhere in most frames
    moved = middle_of_object(frames[-1], background) - middle_of_object(frames[0], background)
    assert moved @ direction > 40 and abs(moved).min() < 10
