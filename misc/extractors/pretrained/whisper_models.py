"""`whisper:<size>`: speech by Whisper; the size is one of OpenAI's ("tiny", "base.en", "large-v3"), or a folder."""

from pathlib import Path

import numpy as np
import torch

from misc.extractors.extractor import ExpertOutput, ExtractorContext, encode_words
from misc.extractors.pretrained.hub import describe_source, explain_load_errors, load_pretrained
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.video_reading.media import SAMPLE_RATE, Media
from utils.errors import InputError
from utils.optional_packages import require_package

WINDOW = 30 * SAMPLE_RATE  # samples that the model transcribes at once
QUIET = 1e-3  # amplitude of silence, for which Whisper would make up words


class WhisperExtractor:
    """Vectors (tokens, dim) of the spoken words; None if there are no words.

    `language` is the spoken one, such as "en" (None: detected per window). English models only support English.
    """

    aggregation = "vlad"

    def __init__(self, name: str, *, language: str | None = None, context: ExtractorContext):
        ensure_torchvision()
        transformers = require_package("transformers")
        source = name if Path(name).is_dir() else f"openai/whisper-{name}"
        with explain_load_errors(f"whisper:{name}", *describe_source(source)):
            self._processor = transformers.WhisperProcessor.from_pretrained(source, trust_remote_code=False)
            model, _ = load_pretrained(transformers.WhisperForConditionalGeneration, source)
        is_multilingual = getattr(model.generation_config, "is_multilingual", False)
        known = [token.strip("<|>") for token in model.generation_config.lang_to_id] if is_multilingual else ["en"]
        if language not in (None, *known):
            raise InputError(f"extractor 'whisper:{name}': 'language' is {language!r}, expected one of {', '.join(known)}")
        self._options = {"language": language, "task": "transcribe"} if is_multilingual else {}
        self._model, self._context, self.dim = model.to(context.device), context, context.text_encoder.dim

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the words that are spoken in a video, and their vectors."""
        if media.sound is None:
            return None
        windows = [media.sound[start : start + WINDOW] for start in range(0, len(media.sound), WINDOW)]
        words = [word for sound in windows if np.abs(sound).max() >= QUIET for word in self._transcribe(sound)]
        return encode_words(words, self._context)

    def _transcribe(self, sound: np.ndarray) -> list[str]:
        """Return the words of one window, without isolated punctuation."""
        inputs = self._processor(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        with torch.inference_mode():
            tokens = self._model.generate(inputs.to(self._context.device), do_sample=False, num_beams=1, **self._options)
        text = self._processor.batch_decode(tokens, skip_special_tokens=True)[0]
        return [word for word in text.split() if any(c.isalnum() for c in word)]
