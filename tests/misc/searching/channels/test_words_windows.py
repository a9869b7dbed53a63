"""The channel of words in windows of long videos."""

import contextlib
import sqlite3

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


@pytest.mark.parametrize("length", [2, 3, 5])
def test_phrases_are_found_over_the_edges_of_windows(tmp_path, length):
    words = [f"w{a}{b}" for a in "abcde" for b in "abcdefghij"]
    channel = narrate(tmp_path, words)
    for start in range(len(words) - length + 1):
        phrase = " ".join(words[start : start + length])
        (hit,) = channel.search(f'"{phrase}"', 10)
        window = 10 * (start // 10)
        edge = 0 if start + length <= window + 10 else 5
        assert (hit.id, moments(hit)) == ("film", [(window + edge, window + edge + 10)])
        (evidence,) = hit.evidence
        assert evidence.text == phrase and evidence.times[0] == (start + 0.1, start + 0.9)
        assert channel.find_excluded([f'"{phrase}"']) == {"film"} and channel.find_doubt([hit]) is None
        assert channel.find_notes(f'"{phrase}" zebra') == ["words: no video has “zebra”"]


def test_a_phrase_is_not_found_around_an_edge_beside_its_window(tmp_path):
    words = ["one"] * 8 + ["red", "fish", "two", "one", "one"] + ["three"] * 6 + ["red", "fish"] + ["three"] * 9
    channel = narrate(tmp_path, words)
    assert moments(channel.search('"red fish"', 1)[0]) == [(0, 10), (15, 25)]  # the first one is in (5, 15), too
    assert moments(channel.search('"fish three"', 1)[0]) == [(20, 30)]


@pytest.mark.parametrize(("stride", "edges"), [(10, 3), (6, 6), (5, 0), (2, 0)])
def test_windows_that_overlap_by_half_have_no_edges(collection, tmp_path, stride, edges):
    collection.moments.lengths["film"] = 40.0
    WordsChannel(collection, tmp_path / "words.db", windows=Windows(stride=stride)).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "words.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM edges").fetchone()
    assert count <= edges and bool(count) == bool(edges)


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
