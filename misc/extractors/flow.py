"""The flow expert: statistics of the optical flow from frame to frame (Farnebäck, 2003, in OpenCV)."""

import numpy as np

from misc.extractors.extractor import ExpertOutput, ExtractorContext
from misc.video_reading.media import Media
from utils.optional_packages import require_package

MAX_SIDE = 160  # pixels of the longer side
DIRECTIONS, CELLS = 8, 3
MIN_SPEED = 0.1  # pixels per frame
# Maximum change of a still picture by compression in gray levels, and the share of its pixels that may change more.
MAX_NOISE, MAX_NOISY = 8, 1e-3
DIM = DIRECTIONS + 2 * CELLS**2 + 6


class FlowExtractor:
    """Directions, speeds and shape (T, DIM) of the flow between up to `frames` + 1 frames; None for a single frame."""

    aggregation = "avg"

    def __init__(self, *, frames: int = 32, context: ExtractorContext):
        self._cv = require_package("cv2")
        self._cv.setNumThreads(1)
        self._frames = frames
        self.dim = DIM

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the statistics of the flow of a video."""
        frames, seconds = media.frames, np.diff(media.times)
        if len(frames) < 2:
            return None
        chosen = np.unique(np.linspace(0, len(frames) - 2, self._frames).round().astype(int))
        gray = {i: self._to_small_gray(frames[i]) for i in {*chosen, *(chosen + 1)}}
        flows = [self._flow(gray[i], gray[i + 1]) for i in chosen]
        statistics = [_flow_statistics(flow, dt) for flow, dt in zip(flows, seconds[chosen], strict=True)]
        spans = np.stack([media.times[chosen], media.times[chosen + 1]], axis=1)
        return ExpertOutput(np.stack(statistics).astype(np.float32), spans=spans)

    def _flow(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the flow (H, W, 2) between two gray pictures, 0 if they are equal, for which OpenCV finds some."""
        if (self._cv.absdiff(first, second) > MAX_NOISE).mean() <= MAX_NOISY:
            return np.zeros((*first.shape, 2), np.float32)
        return self._cv.calcOpticalFlowFarneback(first, second, None, 0.5, 4, 15, 3, 5, 1.2, 0)

    def _to_small_gray(self, frame: np.ndarray) -> np.ndarray:
        scale = min(1, MAX_SIDE / max(frame.shape[:2]))
        size = [max(1, round(n * scale)) for n in frame.shape[1::-1]]
        return self._cv.cvtColor(self._cv.resize(frame, size, interpolation=self._cv.INTER_AREA), self._cv.COLOR_RGB2GRAY)


def _flow_statistics(flow: np.ndarray, seconds: float) -> np.ndarray:
    """Return the statistics, (DIM,), of a flow (H, W, 2) in pixels over `seconds`.

    Speeds are in picture widths per second, as signed logarithms, so that fast and slow ones have similar scales.
    """
    speed = np.hypot(flow[..., 0], flow[..., 1])
    moving = speed > MIN_SPEED
    bins = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) * DIRECTIONS).round().astype(int) % DIRECTIONS
    directions = np.bincount(bins.ravel(), speed.ravel(), DIRECTIONS)
    directions /= max(directions.sum(), 1e-6)
    scale = 1 / (flow.shape[1] * max(seconds, 1e-3))
    rows, columns = (np.arange(n) * CELLS // n for n in speed.shape)
    cells = (rows[:, None] * CELLS + columns).ravel()
    sizes = np.maximum(np.bincount(cells, minlength=CELLS**2), 1)
    cell_means = [np.bincount(cells, flow[..., axis].ravel(), CELLS**2) / sizes * scale for axis in (0, 1)]
    (u_y, u_x), (v_y, v_x) = (_derivatives(flow[..., axis]) for axis in (0, 1))
    weight = moving / max(moving.sum(), 1)
    divergence, curl = ((u_x + v_y) * weight).sum(), ((v_x - u_y) * weight).sum()
    mean, deviation = (speed * weight).sum() * scale, speed.std() * scale
    moments = [
        *(_signed_log(mean), _signed_log(deviation), moving.mean()),
        *(_signed_log(divergence * 10), _signed_log(curl * 10), _signed_log(speed.max() * scale)),
    ]
    return np.concatenate([directions, *(_signed_log(x) for x in cell_means), moments])


def _derivatives(x: np.ndarray) -> list[np.ndarray]:
    """Return the derivatives of an image down and to the right; zero along a side of one pixel."""
    return [np.gradient(x, axis=axis) if x.shape[axis] > 1 else np.zeros_like(x) for axis in (0, 1)]


def _signed_log(x: np.ndarray | float) -> np.ndarray:
    return np.sign(x) * np.log1p(10 * np.abs(x))
