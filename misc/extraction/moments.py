"""Moments of a long video: features with their times, dense enough to describe each part of it.

The features of a whole video, by which models are trained, come from a few frames. For a video of at least `MIN_SECONDS`,
the experts also run on chunks of `CHUNK_SECONDS`, as if each were a video of its own, while the video is decoded. Search
cuts the video into windows of any length and selects the features of each.
"""

import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from misc.extraction.collection_files import CHUNK_SECONDS
from misc.extractors.extractor import ExpertOutput, Extractor
from misc.video_reading.media import SAMPLE_RATE, Media
from misc.video_reading.poster import make_poster
from misc.video_reading.reader import Chunks

MIN_SECONDS = 30.0
MAX_SOUND = 4 * 3600.0  # seconds in addition to those that describe the whole video
PIECE_SECONDS = 600  # of that sound in which words are recognized at a time


@dataclasses.dataclass(frozen=True)
class Moments:
    """The features of an expert in a long video, or the words that it recognizes, with start and end of each."""

    spans: np.ndarray  # seconds from the first frame, (N, 2) float32
    features: np.ndarray | None = None  # (N, dim)
    words: list[str] | None = None  # N


class MomentExtractor:
    """The experts of a video, which run on its chunks while it is decoded.

    Experts with the attribute `needs_context` do not: their words of the whole video are used, and, of the sound that does
    not describe the whole video, those in pieces of some minutes.

    Args:
        posters: whether to make a poster of each chunk.

    Attributes:
        chunks: the argument of `read_video` that calls the experts.
        posters: start of a chunk in seconds -> its poster.
        seconds: expert, or "poster" -> time that it took.
    """

    def __init__(self, experts: Mapping[str, Extractor], posters: bool = False):
        in_context = {name for name, x in experts.items() if getattr(x, "needs_context", False)}
        self._experts = {name: x for name, x in experts.items() if name not in in_context}
        self._in_context = {name: experts[name] for name in experts if name in in_context}
        self._outputs: dict[str, list[ExpertOutput]] = {}
        self._error: tuple[str, Exception] | None = None
        self.chunks = Chunks(CHUNK_SECONDS, MIN_SECONDS, MAX_SOUND, self._use_frames)
        self.seconds: Counter[str] = Counter()
        self.posters: dict[float, bytes] = {}
        self._makes_posters = posters

    def finish(self, media: Media, outputs: Mapping[str, ExpertOutput | None]) -> dict[str, Moments]:
        """Return the moments of each expert that has some, given its outputs for the whole video; none for a short video.

        Raises:
            ExtractorError: a step has raised an error.
        """
        if media.seconds < MIN_SECONDS:
            return {}
        for name in self._in_context:
            if outputs[name] is not None and outputs[name].words and outputs[name].times is not None:
                self._outputs[name] = [outputs[name]]
        for sound, start in ((media.sound, media.sound_start), (media.later_sound, media.sound_end)):
            self._use_sound(media, sound, start, CHUNK_SECONDS, self._experts)
        self._use_sound(media, media.later_sound, media.sound_end, PIECE_SECONDS, self._in_context)
        if self._error is not None:
            raise ExtractorError(*self._error) from self._error[1]
        return {name: _join(found) for name, found in self._outputs.items()}

    def _use_sound(
        self, media: Media, sound: np.ndarray | None, start: float, seconds: float, experts: Mapping[str, Extractor]
    ) -> None:
        """Run some experts on parts of a sound (None: nothing) that begins at `start`, of some seconds each."""
        size = round(seconds * SAMPLE_RATE)
        for first in range(0, 0 if sound is None else len(sound), size):
            at, part = start + first / SAMPLE_RATE, sound[first : first + size].astype(np.float32)
            chunk = Media(media.frames[:0], media.times[:0], part, sound_start=at, seconds=seconds)
            self._use(chunk, (at, at + seconds), experts)

    def _use_frames(self, frames: np.ndarray, times: np.ndarray) -> None:
        """Run the experts on the frames of a chunk; errors are raised later, since a decoder calls this."""
        start = float(times[0] // CHUNK_SECONDS * CHUNK_SECONDS)
        part = Media(frames, times, None, seconds=CHUNK_SECONDS)
        self._use(part, (start, start + CHUNK_SECONDS), self._experts)
        if self._makes_posters and self._error is None:
            with self._recorded("poster"):
                if (poster := make_poster(part)) is not None:
                    self.posters[start] = poster

    def _use(self, part: Media, span: tuple[float, float], experts: Mapping[str, Extractor]) -> None:
        for name, expert in experts.items():
            output = None
            with self._recorded(name):
                if self._error is None:
                    output = expert(part)
            if output is not None and len(output.features):
                if output.spans is None:
                    output = dataclasses.replace(output, spans=np.tile(span, (len(output.features), 1)))
                if output.words is not None and output.times is None:
                    output = dataclasses.replace(output, times=[span] * len(output.words))
                self._outputs.setdefault(name, []).append(output)

    @contextlib.contextmanager
    def _recorded(self, step: str) -> Iterator[None]:
        """Measure the time of a step and record its error."""
        started = time.perf_counter()
        try:
            yield
        except Exception as error:  # see `Worker.extract`
            self._error = step, error
        self.seconds[step] += time.perf_counter() - started


class ExtractorError(Exception):
    """An error of an expert, or of a poster, with the name of the step."""

    def __init__(self, name: str, error: Exception):
        super().__init__(f"{name}: {type(error).__name__}: {error}")


def _join(outputs: list[ExpertOutput]) -> Moments:
    """Return the outputs for the chunks of a video, at least one, as moments."""
    if outputs[0].words is not None:
        times = [time for output in outputs for time in output.times]
        return Moments(np.array(times, np.float32).reshape(-1, 2), words=[x for output in outputs for x in output.words])
    features = np.concatenate([np.asarray(output.features, np.float32) for output in outputs])
    return Moments(np.concatenate([output.spans for output in outputs]).astype(np.float32), to_stored(features))


def to_stored(features: np.ndarray) -> np.ndarray:
    """Return features in float16, or float32 if that overflows."""
    return features.astype(np.float16) if np.abs(features).max() < np.finfo(np.float16).max else features
