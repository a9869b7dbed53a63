"""Choice of the frames of a video that are kept: evenly spaced in time."""

import dataclasses
import math
from collections.abc import Callable

import av
import numpy as np

MAX_GAP = 0.25  # seconds between pictures that show motion; with longer ones they are slides


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Which frames and how much sound are kept.

    Attributes:
        rate: frames a second, at most.
        most: frames a video, at most: they are evenly spread over it.
        side: pixels of the longer side, at most.
        most_seconds: of sound, from the start.
    """

    rate: float
    most: int
    side: int
    most_seconds: float


class FrameSampler:
    """The frames that are shown at evenly spaced times.

    A frame is shown until the next one comes, however long that takes, and the last one until the end. So a frame that is
    shown for long is kept several times, and one that is shown for a short time may not be kept.

    Args:
        sampling: how many frames are kept.
        length: seconds that all frames are shown for.
        gap: the usual seconds between two frames. Up to `MAX_GAP`, the times are a multiple of it apart, so that frames of a
            constant rate are as evenly spaced as the times.
        convert: returns the pixels of a frame, (H, W, 3).

    Attributes:
        first, last: seconds when the first and the last frame were shown, None before there was one.
    """

    def __init__(self, sampling: Sampling, length: float, gap: float, convert: Callable[[av.VideoFrame], np.ndarray]):
        self.first: float | None = None
        self.last: float | None = None
        self._gap, self._convert = gap, convert
        self._interval = sampling_interval(sampling, length, gap)
        self._tolerance = min(gap, self._interval) / 2  # times are rounded, and jitter
        self._number = min(sampling.most, max(1, math.ceil((length - self._tolerance) / self._interval)))
        self._kept: list[np.ndarray] = []
        self._shown: av.VideoFrame | np.ndarray | None = None  # converted when it is kept for the first time

    def add(self, frame: av.VideoFrame) -> None:
        """Take the next frame, in the order of presentation."""
        seconds = self._time(frame)
        self._keep_until(seconds)
        self.first = seconds if self.first is None else self.first
        self._shown, self.last = frame, seconds

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the frames (T, H, W, 3), T > 0, and the times (T,) when they are shown, in seconds from the first."""
        self._keep_until(math.inf)
        return np.stack(self._kept), np.arange(len(self._kept)) * self._interval

    def _time(self, frame: av.VideoFrame) -> float:
        """Return when a frame is shown, later than the one before even if its times are wrong or absent."""
        dts = None if frame.dts is None or frame.time_base is None else float(frame.dts * frame.time_base)
        for seconds in (frame.time, dts):
            if seconds is not None and (self.last is None or seconds > self.last):
                return seconds
        return 0.0 if self.last is None else self.last + self._gap

    def _keep_until(self, seconds: float) -> None:
        """Keep the frame that is shown for each of the times that are earlier."""
        while (
            self._shown is not None
            and len(self._kept) < self._number
            and self.first + len(self._kept) * self._interval + self._tolerance < seconds
        ):
            if isinstance(self._shown, av.VideoFrame):
                self._shown = self._convert(self._shown)  # once, however long it is shown
            self._kept.append(self._shown)


def sampling_interval(sampling: Sampling, length: float, gap: float) -> float:
    """Return the seconds between the frames that are kept; see `FrameSampler`."""
    shortest = max(1 / sampling.rate, length / sampling.most)
    return gap * math.ceil(shortest / gap - 1e-3) if 0 < gap <= MAX_GAP else shortest
