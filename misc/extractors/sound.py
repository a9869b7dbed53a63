"""The sound of a video: the first seconds of its tracks, as mono samples."""

from collections.abc import Sequence

import av
import numpy as np

from misc.extractors.extractor import SAMPLE_RATE


class Sound:
    """The first seconds of the sound tracks of a file, of which one is used.

    Args:
        tracks: those that may be used, the preferred one first.
        max_seconds: of the sound that is kept, from its start.
    """

    def __init__(self, tracks: Sequence["av.audio.stream.AudioStream"], max_seconds: float):
        self._samples = {track.index: _Samples(max_seconds) for track in tracks}

    def needs(self, track: "av.stream.Stream") -> bool:
        """Return whether the packets of a track are still to be decoded for the sound."""
        return track.index in self._samples

    def add(self, track: "av.stream.Stream", frame: av.AudioFrame) -> None:
        """Append a decoded frame of a track that is needed."""
        self._samples[track.index].add(frame)

    def discard(self, track: "av.stream.Stream") -> None:
        """Drop a track, whose packets are not needed anymore."""
        self._samples.pop(track.index, None)

    def finish(self) -> np.ndarray | None:
        """Return all samples, (S,) float32 at `SAMPLE_RATE`, or None where nothing can be heard."""
        for samples in self._samples.values():
            return samples.finish()
        return None


class _Samples:
    """The first seconds of one track."""

    def __init__(self, max_seconds: float):
        # To whole numbers: with them, channels are mixed so that nothing is louder than it can be.
        self._resampler = av.AudioResampler(format="s32", layout="mono", rate=SAMPLE_RATE)
        self._parts: list[np.ndarray] = []
        self._left = round(max_seconds * SAMPLE_RATE)

    def add(self, frame: av.AudioFrame | None) -> None:
        if self._left > 0:
            for part in self._resampler.resample(frame):
                self._parts.append(np.float32(part.to_ndarray()[0][: self._left] / (1 << 31)))
                self._left -= len(self._parts[-1])

    def finish(self) -> np.ndarray | None:
        self.add(None)
        sound = np.concatenate(self._parts) if self._parts else np.zeros(0, np.float32)
        return sound if sound.any() else None
