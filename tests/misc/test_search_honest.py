"""`misc/search.py`: results that are not believable, filters, excluded words, and the names of options."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from misc.searching.channels import concepts

PLACE = ["--name", "Toy"]
MODEL = ["--checkpoint", "model.pth", *PLACE, "--no_fold"]


def ids(out):
    return [hit["id"] for hit in json.loads(out)["hits"]]


def test_the_checkpoint_has_two_names(collection, search):
    new = search("a bird", *MODEL, "--channels", "trained", "--json")[0]
    assert search("a bird", "--resume", "model.pth", *PLACE, "--channels", "trained", "--json")[0] == new
    assert search("a bird", *PLACE, "--channels", "trained", "--json")[0] == new


def test_similarities_are_compared_with_those_of_nonsense(collection, search):
    out, _ = search("a red bird", *MODEL, "--channels", "trained", "--json", "-k", 44)
    nonsense = json.loads(Path("data/Toy/index/calibration.json").read_text())["nonsense"]
    for hit in json.loads(out)["hits"]:
        assert hit["percentile"] == pytest.approx(100 * sum(x < hit["similarity"] for x in nonsense) / 400)
    text, err = search("a red bird", *MODEL, "--channels", "trained")
    assert "(the percentage: how many of 100 nonsense queries" in text and err == ""
    shown = re.findall(r"^ +\d+ +-?[\d.]+ +(\d+) %  video\d+$", text, re.MULTILINE)
    assert list(map(int, shown)) == [round(hit["percentile"]) for hit in json.loads(out)["hits"][:10]]


def test_a_doubtful_result_begins_with_it(collection, search, monkeypatch):
    monkeypatch.setattr("misc.searching.calibration.Calibration.threshold", 2.0)
    trained = "the best similarity, "
    out, _ = search("a bird", *MODEL, "--channels", "trained", "--html", "page")
    assert out.startswith(f"no good match: {trained}") and out.count("video") >= 10
    assert '<p class="notice">no good match: the best similarity, ' in Path("page/index.html").read_text()
    out, _ = search("a zebra", *MODEL)
    assert out.startswith(f"no good match: words: no video has these words; trained: {trained}")
    assert json.loads(search("a zebra", *MODEL, "--json")[0])["doubt"].startswith("words: no video has")
    assert not search("SALE", *MODEL)[0].startswith("no good match")


@pytest.mark.parametrize("channels", ["trained", "words,trained"])
def test_a_filtered_search_is_the_filtered_ranking(collection, search, channels):
    words = ["SALE", "now", *MODEL, "--channels", channels, "--json"]
    everything = ids(search(*words, "-k", 44)[0])
    audio = set(collection[0].features["audio"])
    for where, holds in (
        (["has=audio"], lambda video: video in audio),
        (["name=video1*", "has!=audio"], lambda video: video.startswith("video1") and video not in audio),
        (["folder=none"], lambda video: False),
    ):
        options = [option for condition in where for option in ("--where", condition)]
        expected = [video for video in everything if holds(video)]
        assert ids(search(*words, "-k", 3, *options)[0]) == expected[:3]
        assert ids(search(*words, "-k", 44, *options)[0]) == expected
    similar = ids(search("--video", "video3", *MODEL, "--json", "-k", 43)[0])
    found = ids(search("--video", "video3", *MODEL, "--json", "-k", 4, "--where", "has=audio")[0])
    assert found == [video for video in similar if video in audio][:4]


def test_a_filter_without_a_query_lists_the_videos(collection, search):
    audio = [video for video in collection[0].ids if video in collection[0].features["audio"]]
    out, _ = search(*MODEL, "-k", 2, "--where", "has=audio")
    assert (
        out.startswith(f"note: {len(audio)} of 44 videos fit the filter\n   1  {audio[0]}\n") and f"   2  {audio[1]}" in out
    )
    found = json.loads(search(*MODEL, "-k", 44, "--where", "has=audio", "--json")[0])["hits"]
    assert [(hit["rank"], hit["id"], hit["similarity"]) for hit in found] == [(i, x, None) for i, x in enumerate(audio, 1)]
    assert search(*MODEL, "--where", "folder=none")[0] == "no match: no video of the collection fits the filter\n"


def test_invalid_filters_are_refused(collection, refuse):
    assert "--where size=3: expected such as folder=birds" in refuse("bird", *MODEL, "--where", "size=3")
    assert "--where: empty, expected such as folder=birds" in refuse("bird", *MODEL, "--where", "")
    assert "expert 'sound': not in data/Toy, expected one of audio, " in refuse("x", *MODEL, "--where", "has=sound")


def test_words_are_excluded(collection, search, refuse):
    everything = ids(search("bird", *MODEL, "--json", "-k", 44)[0])
    assert "video0" in everything
    out, _ = search("bird -SALE", *MODEL, "--json", "-k", 44)
    assert ids(out) == [video for video in everything if video != "video0"] and json.loads(out)["query"] == "bird -SALE"
    out, _ = search("bird -SALE", *MODEL, "--channels", "trained", "-k", 44)
    assert "note: the model alone does not exclude 'SALE'" in out and "video0\n" in out


def test_long_queries_and_other_languages_are_told(collection, search):
    out, _ = search(" ".join(f"word{i}" for i in range(40)), *MODEL, "--channels", "trained")
    assert "note: the model reads the first 30 of at least 40 tokens of the query, not the rest" in out
    assert "note" not in search(" ".join(f"word{i}" for i in range(30)), *MODEL, "--channels", "trained")[0]


def test_an_image_is_a_query_of_its_own_or_with_words(folder, search, refuse, monkeypatch):
    features = np.zeros(concepts.DIM, np.float32)
    features[[0, 5]] = 1, 30
    monkeypatch.setattr("misc.searching.answering.embed_image", lambda *_: features)
    Path("x.png").touch()
    answer = json.loads(search("--image", "x.png", *PLACE, "--json", "--no_fold")[0])
    assert answer["channels"] == ["image"] and answer["query"] == "image x.png" and answer["doubt"] is None
    (first, *_) = answer["hits"]
    assert first["id"] == "video29" and list(first["channels"]) == ["image"]
    out, _ = search("thanks", "--image", "x.png", *PLACE, "--no_fold")
    assert "image, rank 1: a frame with similarity 1.000" in out and "words, rank 1: ocr “Thanks”" in out
    assert "query: expected some words, --image FILE or both" in refuse(*PLACE)
    assert "--image: found with --channels trained" in refuse("--image", "x.png", *PLACE, "--channels", "trained")
    assert "--channels: found with --image and no words" in refuse("--image", "x.png", *PLACE, "--channels", "words")


def test_near_duplicates_are_folded(folder, search):
    plain = ids(search("video", *PLACE, "--json", "-k", 44, "--no_fold")[0])
    hits = json.loads(search("video", *PLACE, "--json", "-k", 44)[0])["hits"]
    assert len(plain) == 44 and len(hits) < 44
    assert sorted(x for hit in hits for x in [hit["id"], *hit["folded"]]) == sorted(plain)
    assert "more like it: " in search("video", *PLACE)[0]
