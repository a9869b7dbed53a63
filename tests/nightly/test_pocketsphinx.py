"""Recognition by pocketsphinx of long, loud and wordless sounds."""

import pytest
from helpers.decoded_media import sound_media, wordless_sounds
from helpers.pyav_videos import sine, spoken

from misc.extractors.extractor import ExtractorContext, build_extractor
from misc.extractors.text_encoders import build_text_encoder
from misc.video_reading.media import SAMPLE_RATE


@pytest.fixture(scope="module")
def recognizer():
    return build_extractor("pocketsphinx", {}, ExtractorContext("cpu", build_text_encoder("minilm", "cpu")))


def test_words_do_not_depend_on_loudness(recognizer):
    sound = spoken("the football team has won the game")
    assert recognizer(sound_media(sound / 8)).words == recognizer(sound_media(sound)).words


def test_words_do_not_depend_on_what_was_heard_before(recognizer):
    """The words and the confidence of each equal those of a recognizer that was not used before."""
    from pocketsphinx import Decoder

    sound = spoken("a small dog")

    def recognize(sound):
        recognizer(sound_media(sound))
        return [(x.word, x.start_frame, x.prob) for x in recognizer._decoder.seg() or ()]

    recognize(sine(0.5, SAMPLE_RATE, 300))
    after_tone = recognize(sound)
    after_speech = recognize(sound)
    recognizer._decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    assert after_tone == after_speech == recognize(sound)


def test_no_words_in_noise_tones_and_rhythms(recognizer):
    found = {name: recognizer(sound_media(sound)) for name, sound in wordless_sounds().items()}
    assert {name: x.words for name, x in found.items() if x} == {}
