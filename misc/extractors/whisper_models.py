"""`whisper:<size>`: speech, by Whisper; the size is one of OpenAI's ("tiny", "base.en", "large-v3"), or a folder."""

import numpy as np
import torch

from misc.extractors.extractor import SAMPLE_RATE, Found, Media, Setting, described_by_words
from misc.extractors.hub import is_folder, loading, pretrained, wanted
from misc.extractors.text import import_or_explain
from misc.extractors.torchvision_import import ensure_torchvision
from utils.errors import InputError

WINDOW = 30 * SAMPLE_RATE  # what the model hears at once
# What stays below is silence, in which Whisper would hear words.
QUIET = 1e-3


class Extractor:
    """The words that are spoken, as the text encoder describes them; see `Extractor` of the registry.

    Args:
        name: the size, or the folder of a model in the format of Transformers.
        language: that is spoken, as "en"; None: what the model takes each window for. English models take English.

    Raises:
        InputError: there is no such model, or it does not know that language.
    """

    aggregation = "vlad"

    def __init__(self, name: str, *, language: str | None = None, setting: Setting):
        ensure_torchvision()
        transformers = import_or_explain("transformers")
        source = name if is_folder(name) else f"openai/whisper-{name}"
        with loading(f"whisper:{name}", wanted(source), is_folder(source)):
            self._processor = transformers.WhisperProcessor.from_pretrained(source, trust_remote_code=False)
            model, _ = pretrained(transformers.WhisperForConditionalGeneration, source)
        several = getattr(model.generation_config, "is_multilingual", False)
        known = [token.strip("<|>") for token in model.generation_config.lang_to_id] if several else ["en"]
        if language not in (None, *known):
            raise InputError(f"extractor 'whisper:{name}': 'language' is {language!r}, expected one of {', '.join(known)}")
        self._options = {"language": language, "task": "transcribe"} if several else {}
        self._model, self._setting, self.dim = model.to(setting.device), setting, setting.text.dim

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`; None for a video without sound, or without words in it."""
        if media.sound is None:
            return None
        windows = [media.sound[start : start + WINDOW] for start in range(0, len(media.sound), WINDOW)]
        words = [word for sound in windows if np.abs(sound).max() >= QUIET for word in self._words(sound)]
        return described_by_words(words, self._setting)

    def _words(self, sound: np.ndarray) -> list[str]:
        """What is said in one window, without signs that stand alone."""
        heard = self._processor(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        with torch.inference_mode():
            tokens = self._model.generate(heard.to(self._setting.device), do_sample=False, num_beams=1, **self._options)
        text = self._processor.batch_decode(tokens, skip_special_tokens=True)[0]
        return [word for word in text.split() if any(c.isalnum() for c in word)]
