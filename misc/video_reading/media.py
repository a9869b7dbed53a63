"""The content of a decoded video file, and the error of a file that cannot be used."""

import dataclasses

import numpy as np

SAMPLE_RATE = 16000  # Hz


class VideoError(Exception):
    """A file that is not a video or cannot be used; the message is one line with the reason."""


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Limits on the frames and the sound of a video."""

    rate: float  # frames per second
    max_frames: int  # per video, evenly spaced
    max_side: int  # pixels of the longer side of a frame
    max_seconds: float  # of sound, from the start


@dataclasses.dataclass(frozen=True)
class Media:
    """A decoded video. A frame that is shown for a long time is repeated."""

    frames: np.ndarray  # that are shown at `times`, (T, H, W, 3) uint8; T is 0 for a file without pictures
    times: np.ndarray  # evenly spaced seconds from the start, (T,)
    sound: np.ndarray | None  # mono samples from -1 to 1 at `SAMPLE_RATE`, (S,) float32 (None: no sound)
    warnings: tuple[str, ...] = ()  # one line per defect of the file
    sound_start: float = 0.0  # seconds from the first frame to the first sample, which may precede it
    seconds: float = 0.0  # length of the pictures
    later_sound: np.ndarray | None = None  # of a long video: the samples after `sound`, (R,) float16 (None: none)

    @property
    def sound_end(self) -> float:
        """Seconds from the first frame to the end of `sound`."""
        return self.sound_start + (0 if self.sound is None else len(self.sound)) / SAMPLE_RATE

    def select_frames(self, limit: int) -> np.ndarray:
        """Return at most `limit` frames, evenly spaced: (n, H, W, 3)."""
        return self.frames[self._select(limit)]

    def select_times(self, limit: int) -> np.ndarray:
        """Return the times of the frames of `select_frames`: (n,)."""
        return self.times[self._select(limit)]

    def _select(self, limit: int) -> np.ndarray | slice:
        if len(self.frames) <= limit:
            return slice(None)
        return np.linspace(0, len(self.frames) - 1, 2 * limit + 1).round().astype(int)[1::2]
