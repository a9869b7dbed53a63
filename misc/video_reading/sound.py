"""The sound of a video: the first seconds of one of its tracks, as mono samples.

Channels are mixed to mono as in FFmpeg. In some files the two channels are in opposite phase (since a cable or a plug-in
inverted one of them), so that their mean is silence although both can be heard. If more than `MAX_LOST` of the energy of a
file would be canceled, the louder channel is used for the whole file: switching within it would be heard as a click.
"""

from collections.abc import Sequence

import av
import numpy as np

from misc.video_reading.formats import TRUNCATED
from misc.video_reading.media import SAMPLE_RATE
from misc.video_reading.tracks import MIN_SAMPLE_RATE, TrackDecoder
from utils.errors import one_line

AUDIBLE = 1e-4  # amplitude, -80 dB: quieter tracks are used only if there is no other one
CANCELED = 0.1  # a second is canceled if its mean has less than this share of the energy of both channels
MAX_LOST = 0.1  # maximum share of the energy of a file in canceled seconds


class SoundReader:
    """A decoder of the first of some sound tracks, the preferred one first, that can be heard.

    `finish` returns up to `max_seconds` of it; up to `later_seconds` after these are in the attribute `later`, in float16.
    """

    def __init__(self, tracks: Sequence["av.audio.stream.AudioStream"], max_seconds: float, later_seconds: float = 0.0):
        self.warnings: list[str] = []  # one line per defect of the sound
        self.start: float | None = None  # time of the first sample that `finish` returns, in seconds (None: unknown)
        self.later: np.ndarray | None = None
        self._samples = {track.index: TrackSamples(max_seconds) for track in tracks}
        self._later = {track.index: TrackSamples(later_seconds, max_seconds, np.float16) for track in tracks}
        self._decoders: dict[int, TrackDecoder] = {}
        self._starts: dict[int, float] = {}  # track -> time of its first samples in seconds

    def read(self, packet: av.Packet) -> None:
        """Decode a packet of any track, if it is needed."""
        if packet.stream_index in self._samples:
            decoder = self._decoders.setdefault(packet.stream_index, TrackDecoder(packet.stream))
            self._add(packet.stream_index, decoder.decode(packet))

    def finish(self) -> np.ndarray | None:
        """Return all samples, (S,) float32 at `SAMPLE_RATE`, or None if nothing can be heard."""
        for track, decoder in self._decoders.items():
            if track not in self._samples:
                continue
            self._add(track, decoder.flush())
            loss = f"{decoder.lost} of {decoder.packets} packets cannot be decoded"
            if decoder.lost > max(1, TRUNCATED * decoder.packets):
                self._discard(track, loss)
            elif decoder.lost:
                self.warnings.append(f"sound: {loss}")
        try:
            for samples in [*self._samples.values(), *(self._later[track] for track in self._samples)]:
                samples.flush()
            audible = [track for track, samples in self._samples.items() if samples.peak >= AUDIBLE]
            quiet = [track for track, samples in self._samples.items() if samples.peak > 0]
            for track in [*audible, *quiet]:
                self.start = self._starts.get(track)
                self.later = self._later[track].mix().astype(np.float16) if self._later[track].peak else None
                return self._samples[track].mix()
            return None
        except (av.FFmpegError, ValueError) as error:
            self.warnings.append(f"sound is left out: {_conversion_error(error)}")
            return None

    def _add(self, track: int, frames: list[av.AudioFrame]) -> None:
        try:
            for frame in frames:
                if frame.time is not None:
                    self._starts.setdefault(track, frame.time)
                self._samples[track].add(frame)
                self._later[track].add(frame)
                if self._samples[track].peak >= AUDIBLE and len(self._samples) > 1:  # the tracks after it are not needed
                    preferred = list(self._samples)
                    for other in preferred[preferred.index(track) + 1 :]:
                        del self._samples[other]
        except (av.FFmpegError, ValueError) as error:
            self._discard(track, _conversion_error(error))

    def _discard(self, track: int, reason: str) -> None:
        self._samples.pop(track, None)
        self.warnings.append(f"sound is left out: {reason}")


class TrackSamples:
    """The first `max_seconds` of one track after some to `skip`; `peak` is the largest amplitude so far, at most 1."""

    def __init__(self, max_seconds: float, skip: float = 0.0, dtype: type = np.float32):
        self.peak, self._dtype = 0.0, dtype  # in which samples are kept
        self._skipped, self._left = round(skip * SAMPLE_RATE), round(max_seconds * SAMPLE_RATE)
        self._resampler: av.AudioResampler | None = None
        self._format: tuple | None = None  # of the resampler
        self._mixable = True  # FFmpeg can mix the channels of that format
        self._pending: list[np.ndarray] = []  # less than a second, (1, n) mono or (2, n) stereo
        self._seconds: list[np.ndarray] = []  # the same, about a second each

    def add(self, frame: av.AudioFrame) -> None:
        """Append a frame, whose format may differ from that of the frames before."""
        if frame.sample_rate < MIN_SAMPLE_RATE or self._left <= 0:
            return
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            self.flush()  # the resampler holds the last samples of the format before
            self._format, self._mixable = form, _can_mix(frame)
            self._resampler = _resampler("mono" if frame.layout.nb_channels == 1 or not self._mixable else "stereo")
        self._resample(frame if self._mixable else _first_channel(frame))

    def flush(self) -> None:
        """Append the samples that the resampler still holds."""
        if self._resampler is not None:
            self._resample(None)
        self._resampler = self._format = None
        self._store()

    def mix(self) -> np.ndarray:
        """Return the mono samples of all flushed frames, (S,) float32."""
        seconds = [x.astype(np.float32, copy=False) for x in self._seconds]
        energy = np.array([np.square(x).mean(axis=0).sum() for x in seconds])
        mixed = np.array([np.square(x.mean(axis=0)).sum() for x in seconds])
        if energy[mixed < CANCELED * energy].sum() / energy.sum() <= MAX_LOST:
            return np.concatenate([x.mean(axis=0) for x in seconds])
        louder = np.sum([np.square(x).sum(axis=1) for x in seconds if len(x) == 2], axis=0).argmax()
        return np.concatenate([x[louder if len(x) == 2 else 0] for x in seconds])

    def _resample(self, frame: av.AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            if resampled is None:  # nothing is held back if nothing has to be resampled
                continue
            samples = resampled.to_ndarray()
            skipped = min(self._skipped, samples.shape[1])
            self._skipped -= skipped
            samples = samples[:, skipped : skipped + max(0, self._left)]
            self._left -= samples.shape[1]
            self._pending.append(samples)
            if sum(x.shape[1] for x in self._pending) >= SAMPLE_RATE:
                self._store()

    def _store(self) -> None:
        if self._pending:
            x = np.float32(np.concatenate(self._pending, axis=1) / (1 << 31))
            peak = float(np.abs(x).max(initial=0))
            x = x.astype(self._dtype, copy=False) if peak else np.broadcast_to(np.float32(0), x.shape)
            self._seconds.append(x)  # silence takes no memory
            self._pending, self.peak = [], max(self.peak, peak)


def _resampler(layout: str) -> av.AudioResampler:
    # Integers: FFmpeg mixes their channels without clipping.
    return av.AudioResampler(format="s32p", layout=layout, rate=SAMPLE_RATE)


def _can_mix(frame: av.AudioFrame) -> bool:
    """Return whether FFmpeg can mix the channels of a frame; it cannot mix ambisonic or too many channels."""
    try:
        _resampler("stereo").resample(frame)
    except ValueError:
        return False
    return True


def _first_channel(frame: av.AudioFrame) -> av.AudioFrame:
    """Return the first channel of a frame, which contains all directions in ambisonic sound."""
    channels = 1 if frame.format.is_planar else frame.layout.nb_channels
    samples = np.frombuffer(frame.planes[0], frame.to_ndarray().dtype)[: frame.samples * channels : channels]
    first = av.AudioFrame.from_ndarray(samples[None].copy(), format=frame.format.packed.name, layout="mono")
    first.sample_rate = frame.sample_rate
    return first


def _conversion_error(error: Exception) -> str:
    return f"it cannot be converted ({getattr(error, 'strerror', None) or one_line(str(error))})"
