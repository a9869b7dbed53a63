"""Recognition of synthesized speech by pocketsphinx."""

import numpy as np
from helpers.decoded_media import sound_media, spoken_at
from helpers.pyav_videos import spoken


def test_spoken_words_are_recognized(extractor, context):
    found = extractor("pocketsphinx")(sound_media(spoken("the football team has won the game")))
    assert len({"football", "team", "won", "game"} & set(found.words)) >= 3, found.words
    np.testing.assert_allclose(found.features, context.text_encoder([" ".join(found.words)])[0], atol=1e-5)
    assert all(word.isprintable() and not set(word) & set("<>()[]") for word in found.words)


def test_words_have_the_times_at_which_they_are_spoken(extractor):
    sound, bounds = spoken_at({3.0: "the football team has won the game"}, 8)
    found = extractor("pocketsphinx")(sound_media(sound))
    (start, end), times = bounds[3.0], dict(zip(found.words, found.times, strict=True))
    assert found.times == sorted(found.times)
    assert start - 0.2 <= times["football"][0] < times["football"][1] <= start + 1
    assert end - 1 <= times["game"][0] < times["game"][1] <= end + 0.2
