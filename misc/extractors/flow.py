"""How things move: optical flow (Farnebaeck, 2003, by OpenCV) from frame to frame, as statistics."""

import numpy as np

from misc.extractors.extractor import Found, Media, Setting
from misc.extractors.text import import_or_explain

SIDE = 160  # pixels, of the longer side
DIRECTIONS, CELLS = 8, 3
STILL = 0.1  # pixels a frame
# Grey levels that coding may change a still picture by, and the share of its pixels that it may change more.
MAX_NOISE, MAX_NOISY = 8, 1e-3
DIM = DIRECTIONS + 2 * CELLS**2 + 6


class Extractor:
    """Directions, speeds and the shape of the flow between up to `frames` + 1 frames: (T, DIM), None for one frame."""

    aggregation = "avg"

    def __init__(self, *, frames: int = 32, setting: Setting):
        self._cv = import_or_explain("cv2")
        self._cv.setNumThreads(1)
        self._frames = frames
        self.dim = DIM

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`."""
        frames, seconds = media.frames, np.diff(media.times)
        if len(frames) < 2:
            return None
        chosen = np.unique(np.linspace(0, len(frames) - 2, self._frames).round().astype(int))
        grey = {i: self._small(frames[i]) for i in {*chosen, *(chosen + 1)}}
        between = [self._flow(grey[i], grey[i + 1]) for i in chosen]
        described = [_described(flow, gap) for flow, gap in zip(between, seconds[chosen], strict=True)]
        return Found(np.stack(described).astype(np.float32))

    def _flow(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the flow (H, W, 2) between two grey pictures, 0 if they are equal: there would be some at the edges."""
        if (self._cv.absdiff(first, second) > MAX_NOISE).mean() <= MAX_NOISY:
            return np.zeros((*first.shape, 2), np.float32)
        return self._cv.calcOpticalFlowFarneback(first, second, None, 0.5, 4, 15, 3, 5, 1.2, 0)

    def _small(self, frame: np.ndarray) -> np.ndarray:
        """A frame in grey, of `SIDE` at most."""
        scale = min(1, SIDE / max(frame.shape[:2]))
        size = [max(1, round(n * scale)) for n in frame.shape[1::-1]]
        return self._cv.cvtColor(self._cv.resize(frame, size, interpolation=self._cv.INTER_AREA), self._cv.COLOR_RGB2GRAY)


def _described(flow: np.ndarray, seconds: float) -> np.ndarray:
    """The statistics, (DIM,), of a flow (H, W, 2) in pixels over so many seconds.

    Speeds are in picture widths a second, as logarithms with a sign, so that fast and slow ones are of a size.
    """
    speed = np.hypot(flow[..., 0], flow[..., 1])
    moving = speed > STILL
    bins = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) * DIRECTIONS).round().astype(int) % DIRECTIONS
    directions = np.bincount(bins.ravel(), speed.ravel(), DIRECTIONS)
    directions /= max(directions.sum(), 1e-6)
    scale = 1 / (flow.shape[1] * max(seconds, 1e-3))
    rows, columns = (np.arange(n) * CELLS // n for n in speed.shape)
    cells = (rows[:, None] * CELLS + columns).ravel()
    number = np.maximum(np.bincount(cells, minlength=CELLS**2), 1)
    by_cell = [np.bincount(cells, flow[..., axis].ravel(), CELLS**2) / number * scale for axis in (0, 1)]
    (u_y, u_x), (v_y, v_x) = (_slopes(flow[..., axis]) for axis in (0, 1))
    weight = moving / max(moving.sum(), 1)
    spread, turn = ((u_x + v_y) * weight).sum(), ((v_x - u_y) * weight).sum()
    mean, deviation = (speed * weight).sum() * scale, speed.std() * scale
    moments = [_log(mean), _log(deviation), moving.mean(), _log(spread * 10), _log(turn * 10), _log(speed.max() * scale)]
    return np.concatenate([directions, *(_log(x) for x in by_cell), moments])


def _slopes(x: np.ndarray) -> list[np.ndarray]:
    """The derivatives of an image down and to the right; zero along a side of one pixel."""
    return [np.gradient(x, axis=axis) if x.shape[axis] > 1 else np.zeros_like(x) for axis in (0, 1)]


def _log(x: np.ndarray | float) -> np.ndarray:
    """A logarithm that keeps the sign and is near `x` where that is small."""
    return np.sign(x) * np.log1p(10 * np.abs(x))
