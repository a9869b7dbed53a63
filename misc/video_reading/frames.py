"""Sampling of frames that are evenly spaced in time."""

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator

import av
import numpy as np

from misc.video_reading.media import Sampling

EPSILON = 1e-6  # seconds, of rounding
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
        self._taken = 0  # number of frames that `take` has returned
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
        return self.take(len(self._kept))

    def take(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Remove the first `count` frames, count > 0, which are returned as `finish` does."""
        first = self._taken
        taken, self._kept, self._taken = self._kept[:count], self._kept[count:], first + count
        return np.stack(taken), np.arange(first, first + len(taken)) * self._step

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
            and (number := self._taken + len(self._kept)) < self._limit
            and self.first + number * self._step + self._tolerance < seconds
        ):
            if isinstance(self._shown, av.VideoFrame):
                self._shown = self._convert(self._shown)
            self._kept.append(self._shown)


class ChunkSampler(FrameSampler):
    """The same for a long video in chunks of some seconds, each with as many frames as a video of its length has."""

    def __init__(
        self,
        sampling: Sampling,
        length: float,
        interval: float,
        convert: Callable[[av.VideoFrame], np.ndarray],
        seconds: float,
    ):
        rate = min(sampling.rate, sampling.max_frames / seconds)
        super().__init__(dataclasses.replace(sampling, rate=rate, max_frames=sys.maxsize), length, interval, convert)
        self._seconds = seconds

    def take_chunks(self, is_end: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield frames and times of the chunks that are complete, or of all at the end of the video."""
        if is_end:
            self._keep_until(math.inf)
        while self._kept:
            chunk = int((self._taken * self._step + EPSILON) // self._seconds)
            end = math.ceil(((chunk + 1) * self._seconds - EPSILON) / self._step)  # number of the first frame after it
            count = max(1, end - self._taken)
            if len(self._kept) < count and not is_end:
                return
            yield self.take(min(count, len(self._kept)))
