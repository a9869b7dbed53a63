"""Words that are heard: pocketsphinx, with its model of American English, which comes inside the package."""

import re

import numpy as np

from misc.extractors.extractor import SAMPLE_RATE, Found, Media, Setting, described_by_words
from misc.extractors.text import import_or_explain

PAUSE = SAMPLE_RATE // 4  # samples of silence around what is said: the recogniser wants to hear it begin


class Extractor:
    """The words of the sound as the text encoder has them: (tokens, dim); None where none is heard.

    Args:
        surety: of the recogniser, from 0 to 1, that a word is what it hears (posterior probability).
        fewest: with fewer different words it is taken for noise.
    """

    aggregation = "vlad"

    def __init__(self, *, surety: float = 0.3, fewest: int = 3, setting: Setting):
        self._library = import_or_explain("pocketsphinx")
        self._decoder = self._library.Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
        self._surety, self._fewest, self._setting = surety, fewest, setting
        self.dim = setting.text.dim

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`."""
        if media.sound is None:
            return None
        sound = np.pad(media.sound / max(np.abs(media.sound).max(), 1e-3), PAUSE)
        self._decoder.reinit_feat()  # it would go on from how loud the last one was
        self._decoder.start_utt()
        self._decoder.process_raw((sound * 0.9 * 32767).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        words = [(segment.word, segment.prob) for segment in self._decoder.seg() or ()]
        words = [(re.sub(r"\(\d+\)$", "", word), surety) for word, surety in words if word[0] not in "<[+"]
        sure = [word for word, surety in words if surety >= self._surety]
        return described_by_words(sure, self._setting) if len(set(sure)) >= self._fewest else None
