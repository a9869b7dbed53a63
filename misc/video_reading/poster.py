"""The poster of a video: the frame that pages show until somebody plays it."""

import io
import math

import numpy as np
from PIL import Image

from misc.video_reading.media import Media

MAX_SIDE = 320  # pixels of the longer side
QUALITY = 80  # of JPEG
CELLS = 8  # of the grid in which detail is measured, along each side
STEP = 4  # rows and columns that are looked at: one of so many
CHANGE_SCALE = 8.0  # gray levels: a frame that differs so much from both neighbors counts half
EQUAL = 0.95  # of the highest score: the frame nearest to the middle is chosen from those that reach it


def make_poster(media: Media, start: float = 0.0, end: float = math.inf) -> bytes | None:
    """Return the JPEG of a telling frame that is shown from `start` until before `end`, in seconds of `media.times`.

    If no frame was kept between them, the last one before them is returned; None for a video without frames.
    """
    if not len(media.frames):
        return None
    first, after = np.searchsorted(media.times, [start, end])
    if first >= after:
        first = max(0, int(np.searchsorted(media.times, start, side="right")) - 1)
        after = first + 1
    frames = media.frames[first:after]
    image = Image.fromarray(frames[choose_frame(frames)])
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def choose_frame(frames: np.ndarray) -> int:
    """Return the index of a telling frame of (T, H, W, 3), T > 0.

    The score of a frame is detail / (1 + change / `CHANGE_SCALE`). Detail is the mean of the square roots of the gray
    gradient over the cells of a grid: low in dark, blurred, blended and almost empty frames. Change is the mean difference
    to the previous or the next frame, whichever is smaller: high where a frame belongs to no shot, such as a flash or the
    middle of a transition. Of frames with nearly the highest score, the one nearest to the middle is chosen.
    """
    scores = np.array([_detail(frame) for frame in frames]) / (1 + _changes(frames) / CHANGE_SCALE)
    best = np.flatnonzero(scores >= EQUAL * scores.max())
    return int(best[np.abs(best - (len(frames) - 1) / 2).argmin()])


def _detail(frame: np.ndarray) -> float:
    """Return the mean of the square roots of the gray gradient over the cells of a frame (H, W, 3), 0 for H or W of 1."""
    gray = frame[..., 1].astype(np.int16)  # green, which has most of the brightness
    # Differences of neighboring pixels, so that blur shows, at some of the places.
    here, right, below = (x[::STEP, ::STEP] for x in (gray[:-1, :-1], gray[:-1, 1:], gray[1:, :-1]))
    gradient = np.abs(right - here) + np.abs(below - here)
    if not gradient.size:
        return 0.0
    rows, columns = (np.linspace(0, side, CELLS, endpoint=False).astype(int) for side in gradient.shape)
    sums = np.add.reduceat(np.add.reduceat(gradient, rows, axis=0, dtype=np.int64), columns, axis=1)
    return float(np.sqrt(sums * CELLS**2 / gradient.size).mean())


def _changes(frames: np.ndarray) -> np.ndarray:
    """Return the mean difference in gray levels of each frame of (T, H, W, 3) to the more similar one beside it, (T,)."""
    if len(frames) == 1:
        return np.zeros(1)
    gray = frames[:, ::STEP, ::STEP, 1].astype(np.int16)
    differences = np.abs(np.diff(gray, axis=0)).mean(axis=(1, 2))
    return np.minimum(np.append(differences, np.inf), np.insert(differences, 0, np.inf))
