"""`whisper:<size>`: speech by Whisper in faster-whisper.

The size is one of `faster_whisper.available_models()` ("base.en", "large-v3"), a repository on the hub, or a folder in the
format of CTranslate2 with its tokenizer.json.
"""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from misc.extractors.extractor import ExpertOutput, ExtractorContext, encode_words
from misc.extractors.pretrained.hub import describe_source, explain_load_errors
from misc.video_reading.media import SAMPLE_RATE, Media
from utils.errors import InputError
from utils.optional_packages import require_package

QUIET = 1e-3  # amplitude; quieter sounds are not amplified to full loudness
MAX_COMPRESSION = 2.4  # of the text of a segment; above, it repeats itself and is an error of the decoder (as in Whisper)
MIN_FRAMES, MARGIN_FRAMES = 1500, 500  # of 10 ms: the least input of the network, and the silence kept after the speech
MAX_UNHEARD = 3.0  # seconds
PUNCTUATION = ' .,;:!?…—-"“”„«»()[]。，、！？：；¿¡'  # removed at both ends of a word


class WhisperExtractor:
    """Vectors (tokens, dim) of the spoken words; None for fewer than `fewest` distinct words.

    Only what the voice activity detection of the library (Silero VAD) takes for speech is transcribed, and words have a
    probability of at least `surety`. `language` is the spoken one, such as "en" (None: detected in the first 30 seconds).
    Decoding is a beam search of width `beam` without sampling, so that words are the same every time.
    """

    aggregation = "vlad"
    needs_context = True
    cuts_padding = False  # of sounds, see `_padding_cut`: measured with the weights of the expert speech only

    def __init__(
        self,
        name: str,
        *,
        language: str | None = None,
        surety: float = 0.1,
        fewest: int = 1,
        beam: int = 5,
        context: ExtractorContext,
    ):
        library = require_package("faster_whisper")
        with explain_load_errors(f"whisper:{name}", *describe_source(name)):
            if Path(name).is_dir() and not Path(name, "tokenizer.json").exists():
                raise ValueError("it has no tokenizer.json")  # the library would look for one on the hub
            self._model = _load(library, name, context.device)
            known = self._model.supported_languages
        if language not in (None, *known):
            raise InputError(f"extractor 'whisper:{name}': 'language' is {language!r}, expected one of {', '.join(known)}")
        self._min_probability, self._min_words, self._context = surety, fewest, context
        self._options = {"language": language, "beam_size": beam}
        self._find_speech = library.vad.get_speech_timestamps
        self.dim = context.text_encoder.dim

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the words that are spoken in a video with their times, and their vectors."""
        if media.sound is None or not len(media.sound):
            return None
        sound = media.sound / max(np.abs(media.sound).max(), QUIET)
        parts = self._find_speech(sound)  # asked first, so that no language is detected in silence
        if not parts:
            return None
        words = [
            (text, tuple(time + media.sound_start for time in _clip_to_speech(word.start, word.end, parts)))
            for segment in self._find_segments(sound, parts)
            if segment.compression_ratio <= MAX_COMPRESSION
            for word in segment.words
            if word.probability >= self._min_probability and any(map(str.isalnum, text := word.word.strip(PUNCTUATION)))
        ]
        if len({text.casefold() for text, _ in words}) < self._min_words:
            return None
        return encode_words([text for text, _ in words], self._context, [time for _, time in words])

    def _find_segments(self, sound: np.ndarray, parts: list[dict[str, int]]) -> list[Any]:
        """Return the segments of speech in a sound.

        If padding is cut, it is heard again with all of it where the decoder repeats itself, or hears nothing in a part with
        speech or in more than `MAX_UNHEARD` seconds of it.
        """
        if not self.cuts_padding:
            return _transcribe(self._model, sound, **self._options)
        with _padding_cut(self._model):
            segments = _transcribe(self._model, sound, **self._options)
        times = [(word.start + word.end) / 2 for segment in segments for word in segment.words]
        if _covers(times, parts) and all(segment.compression_ratio <= MAX_COMPRESSION for segment in segments):
            return segments
        return _transcribe(self._model, sound, **self._options)


def _covers(times: Sequence[float], parts: list[dict[str, int]]) -> bool:
    """Return whether all parts of speech have words, with at most `MAX_UNHEARD` seconds between their times."""
    for part in parts:
        first, last = part["start"] / SAMPLE_RATE, part["end"] / SAMPLE_RATE
        inside = [first, *sorted(time for time in times if first <= time <= last), last]
        if len(inside) == 2 or max(b - a for a, b in pairwise(inside)) > MAX_UNHEARD:
            return False
    return True


@contextlib.contextmanager
def _padding_cut(model: Any) -> Iterator[None]:
    """Let a model encode its input without most of the zeros with which the library pads each window to 30 seconds.

    The encoder then takes half of the time for most clips, and words are as right: on 200 narrations of the demo, in sounds
    of 4 to 38 seconds, the word error rate is 29.1 % in place of 32.7 %. With inputs of 10 seconds and less, or without
    `MARGIN_FRAMES`, the decoder repeats itself more often.
    """
    encode = model.encode
    model.encode = lambda features: encode(cut_padding(features))
    try:
        yield
    finally:
        model.encode = encode


def cut_padding(features: np.ndarray) -> np.ndarray:
    """Return the features of a window, (..., frames), without zeros at their end except `MARGIN_FRAMES`.

    At least `MIN_FRAMES` are returned, and an even number, since the network halves it.
    """
    used = np.flatnonzero(features.reshape(-1, features.shape[-1]).any(axis=0))
    length = max(MIN_FRAMES, (used[-1] + 1 if len(used) else 0) + MARGIN_FRAMES)
    return np.ascontiguousarray(features[..., : length + length % 2])


def _clip_to_speech(start: float, end: float, parts: list[dict[str, int]]) -> tuple[float, float]:
    """Return start and end of a word within the part of speech in which it has its middle.

    The recognizer gets these parts without the silence between them. Times of words that begin in the part before theirs are
    too early by up to a second.
    """
    for part in parts:
        first, last = part["start"] / SAMPLE_RATE, part["end"] / SAMPLE_RATE
        if first <= (start + end) / 2 <= last:
            return max(start, first), min(end, last)
    return start, end


def _load(library: ModuleType, name: str, device: str) -> Any:
    """Load a model: on the CPU with weights of 8 bits, or on a GPU if the runtime finds its libraries there."""
    kind, _, index = device.partition(":")
    if kind == "cuda":
        try:
            model = library.WhisperModel(name, "cuda", device_index=int(index or 0))
            _transcribe(model, np.zeros(SAMPLE_RATE, np.float32), language="en")  # its libraries are loaded on use
            return model
        except RuntimeError:
            pass  # CTranslate2 may need another version of CUDA than PyTorch does
    return library.WhisperModel(name, "cpu", compute_type="int8", cpu_threads=torch.get_num_threads())


def _transcribe(model: Any, sound: np.ndarray, **options: Any) -> list[Any]:
    """Return the segments of speech in a sound, without sampling and independent of each other."""
    segments, _ = model.transcribe(
        sound,
        temperature=0,
        condition_on_previous_text=False,
        # Otherwise windows that the model takes for music or noise would have words if these were likely ("Yeah!").
        log_prob_threshold=None,
        word_timestamps=True,
        vad_filter=True,
        **options,
    )
    return list(segments)
