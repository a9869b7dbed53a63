"""Sampling of frames that are evenly spaced in time."""

import math
from collections.abc import Callable

import av
import numpy as np

from misc.video_reading.media import Sampling

MAX_INTERVAL = 0.25  # seconds between pictures that show motion; with longer intervals they are slides


class FrameSampler:
    """A selection of the frames that are shown at evenly spaced times.

    A frame is shown until the next one, and the last one until the end. Therefore, a frame that is shown for a long time is
    kept several times, and one that is shown for a short time may not be kept. If the usual `interval` between two frames is
    at most `MAX_INTERVAL`, the distance of sampling times is a multiple of it, so that frames of a constant rate are evenly
    spaced, too. Frames are shown for `length` seconds in total; `convert` returns the pixels of one, (H, W, 3).
    """

    def __init__(self, sampling: Sampling, length: float, interval: float, convert: Callable[[av.VideoFrame], np.ndarray]):
        self.first: float | None = None  # time of the first frame in seconds
        self.last: float | None = None
        self._interval, self._convert = interval, convert
        shortest = max(1 / sampling.rate, length / sampling.max_frames)
        is_film = 0 < interval <= MAX_INTERVAL
        self._step = interval * math.ceil(shortest / interval - 1e-3) if is_film else shortest  # seconds
        self._tolerance = min(interval, self._step) / 2  # times are rounded, and jitter
        self._limit = min(sampling.max_frames, max(1, math.ceil((length - self._tolerance) / self._step)))
        self._kept: list[np.ndarray] = []
        self._shown: av.VideoFrame | np.ndarray | None = None  # converted when it is kept for the first time

    def add(self, frame: av.VideoFrame) -> None:
        """Add the next frame, in the order of presentation."""
        seconds = self._time(frame)
        self._keep_until(seconds)
        self.first = seconds if self.first is None else self.first
        self._shown, self.last = frame, seconds

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the frames (T, H, W, 3), T > 0, and the times (T,) when they are shown, in seconds from the first."""
        self._keep_until(math.inf)
        return np.stack(self._kept), np.arange(len(self._kept)) * self._step

    def _time(self, frame: av.VideoFrame) -> float:
        """Return the time of a frame, which is later than that of the previous one even if it is damaged or absent."""
        dts = None if frame.dts is None or frame.time_base is None else float(frame.dts * frame.time_base)
        for seconds in (frame.time, dts):
            if seconds is not None and (self.last is None or seconds > self.last):
                return seconds
        return 0.0 if self.last is None else self.last + self._interval

    def _keep_until(self, seconds: float) -> None:
        """Keep the current frame once for each sampling time before `seconds`."""
        while (
            self._shown is not None
            and len(self._kept) < self._limit
            and self.first + len(self._kept) * self._step + self._tolerance < seconds
        ):
            if isinstance(self._shown, av.VideoFrame):
                self._shown = self._convert(self._shown)
            self._kept.append(self._shown)
