"""The words that experts recognized, and their times."""

import json

import pytest

from misc.searching.recognized_words import RecognizedWords
from utils.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Return a folder with words of an expert."""
    (tmp_path / "ocr-words.json").write_text(json.dumps({"video0": ["SALE", "50%"], "video1": []}))
    return tmp_path


def test_words_have_times_if_the_extraction_has_stored_them(folder):
    """Collections of earlier versions have words without times."""
    words, times = folder / "speech-words.json", folder / "speech-word-times.json"
    words.write_text(json.dumps({"video0": ["a", "bird"], "video1": ["sings"]}))
    assert RecognizedWords(folder).get_times("video0") == {}
    times.write_text(json.dumps({"video0": [[0, 0.5], [1.25, 2.0]]}))
    found = RecognizedWords(folder)
    assert found.experts == ["ocr", "speech"]
    assert found.get("video0") == {"ocr": ["SALE", "50%"], "speech": ["a", "bird"]}
    assert found.get_times("video0") == {"speech": [(0, 0.5), (1.25, 2.0)]}
    assert (found.get("video1"), found.get_times("video1")) == ({"speech": ["sings"]}, {})
    assert (found.get("video2"), found.get_times("video2")) == ({}, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"video0": [[0, 1]]}, "'video0': found 1 times, expected one for each of 2 words"),
        ({"video0": [[0, 1, 2], [1, 2]]}, "expected an object, video -> list of [start, end]"),
        ({"video0": [["0", "1"], [1, 2]]}, "expected an object, video -> list of [start, end]"),
    ],
)
def test_damaged_times_of_words_are_refused(folder, content, message):
    (folder / "ocr-word-times.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        RecognizedWords(folder).get_times("video0")
    assert str(caught.value).endswith(f"ocr-word-times.json: {message}")
