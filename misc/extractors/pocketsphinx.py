"""Spoken words recognized by pocketsphinx, which includes a model of American English: earlier the speech expert."""

import re

import numpy as np

from misc.extractors.extractor import ExpertOutput, ExtractorContext, encode_words
from misc.video_reading.media import SAMPLE_RATE, Media
from utils.optional_packages import require_package

PAUSE = 0.25  # seconds of silence around the sound, which the recognizer needs to detect its beginning
FRAMES = 100  # of the recognizer per second


class PocketsphinxExtractor:
    """Vectors (tokens, dim) of the spoken words; None for fewer than `fewest` distinct words, which are treated as noise.

    Words have a posterior probability of at least `surety`.
    """

    aggregation = "vlad"
    needs_context = True

    def __init__(self, *, surety: float = 0.3, fewest: int = 3, context: ExtractorContext):
        self._decoder = require_package("pocketsphinx").Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
        self._min_confidence, self._min_words, self._context = surety, fewest, context
        self.dim = context.text_encoder.dim

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the words that are spoken in a video, and their vectors."""
        if media.sound is None:
            return None
        sound = np.pad(media.sound / max(np.abs(media.sound).max(), 1e-3), round(PAUSE * SAMPLE_RATE))
        self._decoder.reinit_feat()  # otherwise it would start with the loudness of the last video
        self._decoder.start_utt()
        self._decoder.process_raw((sound * 0.9 * 32767).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        segments = [
            segment
            for segment in self._decoder.seg() or ()
            if segment.word[0] not in "<[+" and segment.prob >= self._min_confidence  # no silence or noise
        ]
        words = [re.sub(r"\(\d+\)$", "", segment.word) for segment in segments]  # without the number of the pronunciation
        start = media.sound_start - PAUSE
        times = [(x.start_frame / FRAMES + start, (x.end_frame + 1) / FRAMES + start) for x in segments]
        return encode_words(words, self._context, times) if len(set(words)) >= self._min_words else None
