"""The sound of a video: the first seconds of one of its tracks, as mono samples.

Channels are mixed to mono as FFmpeg mixes them. In some files the two sides are in opposite phase (a cable or a plug-in
that turned one of them over), so that their mean is silence although both can be heard. Where more than `MAX_LOST` of the
energy of a file would vanish in that way, the louder side is taken instead of the mean, over the whole file: a choice that
changed within it would be heard as a click.
"""

from collections.abc import Sequence

import av
import numpy as np

from misc.extractors.extractor import SAMPLE_RATE
from misc.extractors.tracks import MIN_SAMPLE_RATE

AUDIBLE = 1e-4  # amplitude, -80 dB: a track that is never louder is silent when another can be used
CANCELED = 0.1  # energy of the mean, as a share of that of both sides, below which a second is canceled
MAX_LOST = 0.1  # energy of a file in such seconds, as a share of all


class Sound:
    """The first seconds of the sound tracks of a file, of which one is used: the first that can be heard.

    Args:
        tracks: those that may be used, the preferred one first.
        max_seconds: of the sound that is kept, from its start.
    """

    def __init__(self, tracks: Sequence["av.audio.stream.AudioStream"], max_seconds: float):
        self._samples = {track.index: TrackSamples(max_seconds) for track in tracks}

    def needs(self, track: "av.stream.Stream") -> bool:
        """Return whether the packets of a track are still to be decoded for the sound."""
        return track.index in self._samples

    def add(self, track: "av.stream.Stream", frame: av.AudioFrame) -> None:
        """Append a decoded frame of a track that is needed."""
        samples = self._samples[track.index]
        samples.add(frame)
        if samples.peak >= AUDIBLE and len(self._samples) > 1:  # the tracks behind it are not used
            preferred = list(self._samples)
            for other in preferred[preferred.index(track.index) + 1 :]:
                del self._samples[other]

    def discard(self, track: "av.stream.Stream") -> None:
        """Drop a track, whose packets are not needed anymore."""
        self._samples.pop(track.index, None)

    def finish(self) -> np.ndarray | None:
        """Return all samples, (S,) float32 at `SAMPLE_RATE`, or None where nothing can be heard."""
        for samples in self._samples.values():
            samples.flush()
        audible = [samples for samples in self._samples.values() if samples.peak >= AUDIBLE]
        quiet = [samples for samples in self._samples.values() if samples.peak > 0]
        return next((samples.mix() for samples in [*audible, *quiet]), None)


class TrackSamples:
    """The first seconds of one track.

    Attributes:
        peak: the largest amplitude so far, at most 1.
    """

    def __init__(self, max_seconds: float):
        self.peak = 0.0
        self._left = round(max_seconds * SAMPLE_RATE)
        self._resampler: av.AudioResampler | None = None
        self._format: tuple | None = None  # that the resampler was made for
        self._mixable = True  # whether FFmpeg can mix the channels of that format
        self._pending: list[np.ndarray] = []  # less than a second, (1, n) mono or (2, n) stereo
        self._seconds: list[np.ndarray] = []  # likewise, about a second each

    def add(self, frame: av.AudioFrame) -> None:
        """Append a frame. Its format may be another than that of the frames before."""
        if frame.sample_rate < MIN_SAMPLE_RATE or self._left <= 0:
            return
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            self.flush()  # it holds the last samples of the format before
            self._format, self._mixable = form, _can_mix(frame)
            self._resampler = _resampler("mono" if frame.layout.nb_channels == 1 or not self._mixable else "stereo")
        self._resample(frame if self._mixable else _first_channel(frame))

    def flush(self) -> None:
        """Append what is held back."""
        if self._resampler is not None:
            self._resample(None)
        self._resampler = self._format = None
        self._store()

    def mix(self) -> np.ndarray:
        """Return the mono samples of all that was flushed, (S,) float32."""
        side = self._louder_side() if self._share_lost() > MAX_LOST else None
        return np.concatenate([x.mean(axis=0) if side is None or len(x) == 1 else x[side] for x in self._seconds])

    def _resample(self, frame: av.AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            if resampled is None:  # nothing is held back where nothing has to be done
                continue
            part = resampled.to_ndarray()[:, : max(0, self._left)]
            self._left -= part.shape[1]
            self._pending.append(part)
            if sum(x.shape[1] for x in self._pending) >= SAMPLE_RATE:
                self._store()

    def _store(self) -> None:
        if self._pending:
            x = np.float32(np.concatenate(self._pending, axis=1) / (1 << 31))
            peak = float(np.abs(x).max(initial=0))
            self._seconds.append(x if peak else np.broadcast_to(np.float32(0), x.shape))  # silence takes no memory
            self._pending, self.peak = [], max(self.peak, peak)

    def _share_lost(self) -> float:
        """Return the share of the energy that is in seconds whose mean cancels."""
        kept = np.array([np.square(x.mean(axis=0)).sum() for x in self._seconds])
        there = np.array([np.square(x).mean(axis=0).sum() for x in self._seconds])
        return there[kept < CANCELED * there].sum() / there.sum()

    def _louder_side(self) -> int:
        return int(np.sum([np.square(x).sum(axis=1) for x in self._seconds if len(x) == 2], axis=0).argmax())


def _resampler(layout: str) -> av.AudioResampler:
    # To whole numbers: with them, channels are mixed so that nothing is louder than it can be.
    return av.AudioResampler(format="s32p", layout=layout, rate=SAMPLE_RATE)


def _can_mix(frame: av.AudioFrame) -> bool:
    """Return whether FFmpeg can mix the channels of a frame: it cannot if they are ambisonic, or too many."""
    try:
        _resampler("stereo").resample(frame)
    except ValueError:
        return False
    return True


def _first_channel(frame: av.AudioFrame) -> av.AudioFrame:
    """Return the first channel of a frame, which hears all directions in ambisonic sound."""
    channels = 1 if frame.format.is_planar else frame.layout.nb_channels
    samples = np.frombuffer(frame.planes[0], frame.to_ndarray().dtype)[: frame.samples * channels : channels]
    first = av.AudioFrame.from_ndarray(samples[None].copy(), format=frame.format.packed.name, layout="mono")
    first.sample_rate = frame.sample_rate
    return first
