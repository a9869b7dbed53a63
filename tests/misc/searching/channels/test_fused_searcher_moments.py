"""Moments of fused results, and their presentation."""

import pytest
from helpers.channel_collection import StubCollection
from helpers.moments import make_moments, write_moments

from misc.extraction.moments_file import MomentsFile
from misc.searching.channels.channel import ChannelHit, Evidence
from misc.searching.channels.fused_result import as_dict, evidence_parts, finding_texts, format_fused_hits
from misc.searching.channels.fused_searcher import FusedSearcher
from misc.searching.result import Hit, add_times, moment_text, moments_text
from misc.searching.windows import Moment

A, B, C, D = ((float(10 * i), float(10 * i + 10)) for i in range(4))


def moments(*spans):
    return [Moment(*span, 1.0) for span in spans]


class Channel:
    def __init__(self, *hits):
        self._hits = hits

    def search(self, text, k):
        return list(self._hits)

    def find_doubt(self, hits):
        return None

    def find_notes(self, text):
        return []


@pytest.fixture
def searcher(tmp_path):
    collection = StubCollection({"film": {"speech": ["of the whole"]}, "short": {"speech": ["red"]}})
    speech = make_moments([(3.0, 4.0), (12.0, 13.0), (3700.0, 3701.0)], words=["red", "birds", "end"])
    write_moments(tmp_path, {"film": (4000.0, {"speech": speech})})
    collection.moments, collection.get_clip = MomentsFile(tmp_path), lambda video: f"videos/{video}.mp4"
    evidence = [Evidence("speech", "birds", [0], times=[(12.0, 13.0), (3700.0, 3701.0), (12.4, 13.0)])]
    words = Channel(
        ChannelHit("film", 3.0, evidence, moments(B, A)), ChannelHit("short", 1.0, [Evidence("speech", "red", [0])])
    )
    concepts = Channel(ChannelHit("film", 0.4, [Evidence("rgb", "hen", probability=0.4)], [Moment(*A, 0.4)], 0.4))
    return FusedSearcher(collection, {"words": words, "concepts": concepts}, {})


def test_a_result_has_the_best_moments_and_the_words_of_the_first(searcher):
    film, short = searcher.search("red birds").hits
    assert (film.id, [(x.start, x.end) for x in film.moments]) == ("film", [A, B])  # both channels know A
    assert film.words == {"speech": ["red"]} and short.words == {"speech": ["red"]} and short.moments == []
    content = as_dict(searcher.search("red birds"))
    assert content["hits"][0]["moments"][0] == {"start": 0, "end": 10, "score": 1 / 62 + 0.8 / 61}
    assert content["hits"][0]["channels"]["words"]["evidence"][0]["times"][0] == (12.0, 13.0)
    assert "times" not in content["hits"][1]["channels"]["words"]["evidence"][0] and content["hits"][1]["moments"] == []


def test_lines_have_the_times(searcher):
    lines = format_fused_hits(searcher.search("red birds"))
    assert lines[1].endswith("  film  at 0:00-0:10, 0:10-0:20")
    assert "words, rank 1: speech “birds” at 0:12, 1:01:40" in lines[2]
    assert lines[-2].strip() == "words, rank 2: speech “red”"
    assert list(finding_texts(searcher.search("red birds").hits[0]))[0] == ("words", 1, "speech “birds” at 0:12, 1:01:40")
    assert evidence_parts(Evidence("ocr", "x", [0])) == ["ocr “x”"]


def test_texts_of_times():
    assert moment_text(Moment(59.99, 60.01)) == "0:59-1:01" and moment_text(Moment(3599.0, 3600.0)) == "59:59-1:00:00"
    hit = Hit(1, "x", None, None, [], [], {}, None, moments=moments(A, C))
    assert moments_text(hit) == "  at 0:00-0:10, 0:20-0:30"
    assert add_times("videos/a%23.mp4", hit.moments) == "videos/a%23.mp4#t=0,10"
    assert add_times("videos/a.mp4", [Moment(12345.675, 12350.5)]) == "videos/a.mp4#t=12345.675,12350.5"
    assert add_times(None, hit.moments) is None and add_times("a.mp4", []) == "a.mp4"
