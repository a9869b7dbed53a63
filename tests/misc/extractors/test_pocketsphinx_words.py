"""Which of the words that pocketsphinx returns count, and their times."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.extraction import ToyEncoder

from misc.extractors import pocketsphinx
from misc.video_reading.media import Media


class Recognizer:
    """A recognizer that returns the same segments for any sound."""

    def __init__(self, *segments):
        self._segments = [
            SimpleNamespace(word=word, prob=prob, start_frame=50 * i, end_frame=50 * i + 29)
            for i, (word, prob) in enumerate(segments)
        ]

    def seg(self):
        return self._segments

    def __getattr__(self, name):
        return lambda *args, **options: None


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ([("a", 0.9), ("red", 0.9), ("bird", 0.9)], ["a", "red", "bird"]),
        ([("a", 0.9), ("red(2)", 0.9), ("bird", 0.9), ("a(3)", 0.9)], ["a", "red", "bird", "a"]),
        ([("uh", 0.9)] * 9 + [("a", 0.9)], None),  # as in noise and rhythms
        ([("a", 0.9), ("red", 0.9), ("bird", 0.2)], None),
        ([("<s>", 0.9), ("a", 0.9), ("red", 0.9), ("[NOISE]", 0.9), ("++UM++", 0.9)], None),
        ([], None),
    ],
)
def test_three_distinct_words_of_some_confidence_are_speech(monkeypatch, segments, words):
    library = SimpleNamespace(Decoder=lambda **options: Recognizer(*segments))
    monkeypatch.setattr(pocketsphinx, "require_package", lambda name: library)
    extractor = pocketsphinx.PocketsphinxExtractor(context=SimpleNamespace(text_encoder=ToyEncoder()))
    found = extractor(Media(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1), np.ones(100, np.float32)))
    assert (found and found.words) == words
    if found:  # frames of 0.01 s, after the pause
        assert found.times == [(0.5 * i - 0.25, 0.5 * i + 0.05) for i, (word, _) in enumerate(segments) if word[0] != "<"]
