"""The channel of words in windows of long videos."""

import pytest
from helpers.channel_collection import StubCollection
from helpers.moments import make_moments, write_moments

from misc.extraction.moments_file import MomentsFile
from misc.searching.channels.channel import Evidence
from misc.searching.channels.words import WordsChannel
from misc.searching.windows import Moment, Windows

SPEECH = make_moments(
    [(1.0, 1.5), (4.0, 4.5), (12.0, 12.5), (12.5, 13.0), (26.0, 27.0), (27.0, 28.0)],
    words=["good", "morning", "red", "birds", "red", "birds"],
)
OCR = make_moments([(0.0, 14.0), (31.0, 31.0)], words=["SALE", "red"])


@pytest.fixture
def collection(tmp_path):
    """A long video, and two short ones."""
    short = {"short": {"speech": ["red", "fish"]}, "other": {"speech": ["good", "night"]}}
    found = StubCollection(
        {"film": {"speech": ["of", "the", "whole"]}, **short}, {"film": ["about trains"]}, ["film", *short]
    )
    write_moments(tmp_path, {"film": (36.0, {"speech": SPEECH, "ocr": OCR})})
    found.moments = MomentsFile(tmp_path)
    return found


def moments(hit):
    return [(moment.start, moment.end) for moment in hit.moments]


def test_words_are_found_with_their_times_in_windows(collection):
    channel = WordsChannel(collection, windows=Windows())
    first, *rest = channel.search("birds", 10)
    assert (first.id, moments(first), rest) == ("film", [(20, 30), (10, 20)], [])
    assert channel.search("birds", 1) == [first]
    times = [(27.0, 28.0)]
    assert first.evidence == [Evidence("speech", "birds", [1], times=times)]
    assert first.moments[0] == Moment(20, 30, first.score)
    assert {hit.id for hit in channel.search("red", 10)} == {"short", "film"}
    assert moments(channel.search("sale", 10)[0]) == [(0, 10), (10, 20)]
    assert channel.search("sale", 10)[0].evidence[0].times == [(0, 14)]
    assert channel.describe() == "ocr of 1 video, speech of 3 videos, captions of 1 video, name of 3 videos"


def test_a_long_video_is_also_found_by_its_captions_and_name(collection):
    channel = WordsChannel(collection, windows=Windows())
    for query in ("trains", "film"):
        (hit,) = channel.search(query, 10)
        assert hit.id == "film" and hit.moments == [] and not hit.evidence[0].times
    assert channel.search("whole", 10) == []  # of the words of the whole video, those with times count
    (hit,) = channel.search("trains birds", 10)
    assert moments(hit) == [(20, 30), (10, 20)]


def narrate(folder, words):
    """Return the channel of a film with a word each second, which no other video has."""
    found = StubCollection({"film": {"speech": []}, "short": {"speech": ["one"]}}, {}, ["film", "short"])
    times = [(second + 0.1, second + 0.9) for second in range(len(words))]
    write_moments(folder, {"film": (float(len(words)), {"speech": make_moments(times, words=words)})})
    found.moments = MomentsFile(folder)
    return WordsChannel(found, windows=Windows())


@pytest.mark.parametrize("length", [2, 3, 5, 12])
def test_phrases_are_found_over_the_edges_of_windows(tmp_path, length):
    words = [f"w{a}{b}" for a in "abcde" for b in "abcdefghij"]
    channel = narrate(tmp_path, words)
    for start in range(len(words) - length + 1):
        phrase, window = " ".join(words[start : start + length]), 10 * (start // 10)
        (hit,) = channel.search(f'"{phrase}"', 10)
        expected = (window, window + 10)
        if start + length > window + 10:  # as long as a window, or as the phrase
            margin = max(0.0, 10 - (length - 0.2)) / 2
            expected = (max(0.0, start + 0.1 - margin), min(50.0, start + length - 0.1 + margin))
        assert hit.id == "film" and moments(hit) == [pytest.approx(expected)]
        (evidence,) = hit.evidence
        assert evidence.text.split() == phrase.split()[:8] and evidence.times[0] == (start + 0.1, start + 0.9)
        assert len(evidence.times) == length and channel.find_doubt([hit]) is None
        assert channel.find_excluded([f'"{phrase}"']) == {"film"}
        assert channel.find_notes(f'"{phrase}" zebra') == ["words: no video has “zebra”"]
    assert channel.search(f'"{words[3]} {words[5]}"', 10) == []


def test_a_phrase_with_a_pause_is_found_as_a_whole(tmp_path):
    found = StubCollection({"film": {"speech": []}}, {}, ["film"])
    speech = make_moments([(30.0, 31.0), (44.0, 44.5), (45.0, 46.0)], words=["apples", "my", "grandfather"])
    write_moments(tmp_path, {"film": (60.0, {"speech": speech})})
    found.moments = MomentsFile(tmp_path)
    channel = WordsChannel(found, windows=Windows())
    (hit,) = channel.search('"apples my"', 5)
    assert moments(hit) == [(30, 44.5)] and hit.evidence[0].times == [(30, 31), (44, 44.5)]
    assert moments(channel.search('"my grandfather"', 5)[0]) == [(40, 50)]
    assert channel.find_excluded(['"apples my grandfather"']) == {"film"}


def test_a_film_with_a_phrase_in_a_window_has_no_other_parts(tmp_path):
    words = ["one"] * 8 + ["red", "fish", "two", "one", "one"] + ["three"] * 6 + ["red", "fish"] + ["three"] * 9
    channel = narrate(tmp_path, words)
    assert moments(channel.search('"red fish"', 1)[0]) == [(0, 10)]
    assert moments(channel.search('"fish three"', 1)[0]) == [(20, 30)]


def test_a_split_phrase_and_other_words_are_moments_of_one_film(tmp_path):
    words = ["one"] * 9 + ["red", "fish"] + ["two"] * 20
    (hit,) = [hit for hit in narrate(tmp_path, words).search('"red fish" two', 5) if hit.id == "film"]
    assert [round(start) for start, _ in moments(hit)][0] == 5 and len(moments(hit)) > 1
    assert hit.evidence[0].text == "red fish"


def test_k_videos_are_found_whatever_the_number_of_windows(collection):
    channel = WordsChannel(collection, windows=Windows(window=1, stride=0.5))
    for k in (1, 2, 3):
        assert len(channel.search("red good", k)) == k == len({hit.id for hit in channel.search("red good", k)})


def test_a_video_has_the_score_of_its_best_window(collection):
    channel = WordsChannel(collection, windows=Windows())
    for hit in channel.search("red birds good", 10):
        assert not hit.moments or hit.score == max(x.score for x in hit.moments) == hit.moments[0].score


def test_without_windows_a_long_video_is_a_document_as_before(collection):
    channel = WordsChannel(collection)
    (hit,) = channel.search("whole", 10)
    assert (hit.id, hit.moments) == ("film", []) and channel.search("birds", 10) == []


def test_the_file_is_made_again_for_other_windows(collection, tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "index" / "words.db"
    for windows, expected in (
        (Windows(), (20, 30)),
        (Windows(window=6, stride=6), (24, 30)),
        (Windows(window=6, stride=6), (24, 30)),
    ):
        caplog.clear()
        channel = WordsChannel(collection, path, windows=windows)
        assert moments(channel.search("birds", 1)[0])[0] == expected
        channel.close()
    assert "words of" not in caplog.text
