"""Recognition of synthesized speech by pocketsphinx."""

import numpy as np
from helpers.clips import sine, spoken
from helpers.media import sound_media, spoken_at, wordless_sounds

from misc.video_reading.media import SAMPLE_RATE


def test_spoken_words_are_recognized(extractor, context):
    found = extractor("pocketsphinx")(sound_media(spoken("the football team has won the game")))
    assert len({"football", "team", "won", "game"} & set(found.words)) >= 3, found.words
    np.testing.assert_allclose(found.features, context.text_encoder([" ".join(found.words)])[0], atol=1e-5)
    assert all(word.isprintable() and not set(word) & set("<>()[]") for word in found.words)


def test_words_do_not_depend_on_loudness(extractor):
    sound = spoken("the football team has won the game")
    assert extractor("pocketsphinx")(sound_media(sound / 8)).words == extractor("pocketsphinx")(sound_media(sound)).words


def test_words_have_the_times_at_which_they_are_spoken(extractor):
    sound, bounds = spoken_at({3.0: "the football team has won the game"}, 8)
    found = extractor("pocketsphinx")(sound_media(sound))
    (start, end), times = bounds[3.0], dict(zip(found.words, found.times, strict=True))
    assert found.times == sorted(found.times)
    assert start - 0.2 <= times["football"][0] < times["football"][1] <= start + 1
    assert end - 1 <= times["game"][0] < times["game"][1] <= end + 0.2


def test_words_do_not_depend_on_what_was_heard_before(extractor):
    """The words and the confidence of each equal those of a recognizer that was not used before."""
    from pocketsphinx import Decoder

    speech, sound = extractor("pocketsphinx"), spoken("a small dog")

    def recognize(sound):
        speech(sound_media(sound))
        return [(x.word, x.start_frame, x.prob) for x in speech._decoder.seg() or ()]

    recognize(sine(0.5, SAMPLE_RATE, 300))
    after_tone = recognize(sound)
    after_speech = recognize(sound)
    speech._decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    assert after_tone == after_speech == recognize(sound)


def test_no_words_in_noise_tones_and_rhythms(extractor):
    found = {name: extractor("pocketsphinx")(sound_media(sound)) for name, sound in wordless_sounds().items()}
    assert {name: x.words for name, x in found.items() if x} == {}
