"""`misc/search.py` in windows of long videos."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.moments import make_moments, write_moments
from helpers.ranking_pages import write_clip

PLACE = ["--name", "Toy"]
RESUME = ["--resume", "model.pth", *PLACE]
OCR = make_moments([(3.0, 4.0), (15.0, 15.5), (33.0, 34.0)], words=["Thanks", "for", "watching"])


@pytest.fixture
def folder(collection):
    """data/Toy, in which video3 is long: it has words, and features for the model."""
    archive, _ = collection
    (archive.folder / "all_list.txt").write_text("".join(f"{video}\n" for video in archive.ids))
    rng = np.random.default_rng(0)
    moments = {"rgb": make_moments(np.arange(36.0), rng.normal(size=(36, 12)).astype(np.float16)), "ocr": OCR}
    write_moments(archive.folder, {"video3": (36.0, moments)}, dict.fromkeys(archive.ids, "1"))
    return Path("data/Toy")


def hit_of(out, video="video3"):
    return next(hit for hit in json.loads(out)["hits"] if hit["id"] == video)


def spans(out, video="video3"):
    return [(moment["start"], moment["end"]) for moment in hit_of(out, video)["moments"]]


def test_words_are_found_with_their_moment(folder, search):
    out, err = search("watching", *PLACE, "--channels", "words")
    assert "   1  0.0164  video3  at 0:30-0:36\n" in out and "words, rank 1: ocr “watching” at 0:33" in out
    assert "ocr: watching" in out and "earlier version" not in err
    out, _ = search("watching", *PLACE, "--channels", "words", "--json")
    assert spans(out) == [(30, 36)]
    write_clip(folder / "videos" / "video3.webm")
    search("watching", *PLACE, "--channels", "words", "--html", "page")
    data = Path("page/data.js").read_text()
    assert '"videos/video3.webm#t=30,36"' in data and "at 0:30-0:36" in data


def test_windows_are_chosen_kept_and_switched_off(folder, search, refuse):
    words = ("thanks", *PLACE, "--channels", "words", "--json")
    assert spans(search(*words)[0]) == [(0, 10)] and not (folder / "index/windows.json").exists()
    assert spans(search(*words, "--window", "5")[0]) == [(0, 5)]
    assert spans(search(*words)[0]) == [(0, 5)]
    assert spans(search(*words, "--stride", "2.5")[0])[0] == (0, 5)
    assert json.loads((folder / "index/windows.json").read_text()) == {"window": 5, "stride": 2.5}
    assert json.loads(search(*words, "--window", "0")[0])["hits"] == []  # the words of the whole video are others
    assert json.loads(search(*words)[0])["hits"] == []
    assert spans(search(*words, "--window", "20")[0]) == [(0, 20)]
    assert "--window 0.5" in refuse(*words, "--window", "0.5")
    (folder / "index/windows.json").write_text('{"window": 5, "stride": 6}')
    assert "windows.json: damaged" in refuse(*words)


def test_a_model_finds_moments_by_itself_and_fused(folder, search):
    _, err = search("build", *RESUME)
    assert "44 videos (4 windows of long ones)" in err
    alone = search("a red bird", *RESUME, "--json", "-k", "44", "--no_fold", "--channels", "trained")[0]
    fused = search("a red bird thanks", *PLACE, "--json", "-k", "44", "--no_fold", "--channels", "words,trained")[0]
    assert len(spans(alone)) == 3 and hit_of(alone, "video4")["moments"] == []
    assert hit_of(alone)["moments"][0]["score"] == hit_of(alone)["similarity"]
    assert len(json.loads(alone)["hits"]) == 44 == len(json.loads(fused)["hits"])
    assert (0, 10) in spans(fused)
    info = json.loads(search("info", *PLACE, "--json")[0])
    assert info["videos"] == 44 and info["items"] == 47 and info["windows"] == {"window": 10, "stride": 10}
    assert "44 videos (4 windows of long ones)" in search("info", *PLACE)[0]
    search("remove", "video3", *PLACE)
    assert json.loads(search("info", *PLACE, "--json")[0])["items"] == 43
    assert "1 video added" in search("add", *PLACE)[1]
    assert json.loads(search("info", *PLACE, "--json")[0])["items"] == 47


def test_the_index_of_a_model_keeps_its_windows(folder, search):
    search("build", *RESUME)
    _, err = search("a red bird", *RESUME, "--channels", "trained", "--window", "5")
    expected = "the index of the model has windows of 10 s every 10 s, not windows of 5 s every 5 s: misc/search.py build"
    assert expected in err
    search("build", *RESUME)  # with those that are kept
    _, err = search("a red bird", *RESUME, "--channels", "trained")
    assert err == "" and json.loads(search("info", *PLACE, "--json")[0])["windows"]["window"] == 5
    search("build", *RESUME, "--window", "0")
    assert json.loads(search("info", *PLACE, "--json")[0])["items"] == 44


def test_info_has_the_windows_of_the_channels_and_of_the_index(folder, search):
    assert "\nlong videos: windows of 10 s every 10 s\n" in search("info", *PLACE)[0]
    search("sale", *PLACE, "--window", "5", "--stride", "2.5", "--channels", "words")
    assert json.loads(search("info", *PLACE, "--json")[0])["channel_windows"] == {"window": 5, "stride": 2.5}
    search("build", *RESUME, "--window", "20")
    search("sale", *PLACE, "--window", "0", "--channels", "words")
    out, _ = search("info", *PLACE)
    assert "\nlong videos: windows of 20 s every 20 s\n" in out
    assert out.endswith("\nlong videos in these channels: no windows\n")
    info = json.loads(search("info", *PLACE, "--json")[0])
    assert info["windows"] == {"window": 20, "stride": 20} and info["channel_windows"] is None


def test_collections_of_an_earlier_version_are_searched_as_a_whole(folder, search):
    (folder / "symlinked-feats" / "moments.h5").unlink()
    told = "extracted by an earlier version: results are whole videos; misc/extract_experts.py adds moments of long ones"
    out, err = search("sale", *PLACE, "--channels", "words")
    assert "video0" in out and err.count(told) == 1
    assert told not in search("sale", *PLACE, "--channels", "words")[1]
    _, err = search("build", *RESUME)
    assert err.count(told) == 1 and "44 videos in" in err


def test_an_index_of_whole_videos_says_how_to_get_moments(folder, search):
    search("build", *RESUME, "--window", "0")
    (folder / "index/windows.json").unlink()
    _, err = search("a red bird", *RESUME, "--channels", "trained")
    assert "the index of the model has whole videos only: misc/search.py build --checkpoint FILE makes it again" in err


def test_a_damaged_file_of_moments_is_one_line(folder, refuse):
    (folder / "symlinked-feats" / "moments.h5").write_bytes(b"nonsense")
    assert "moments.h5: damaged" in refuse("sale", *PLACE, "--channels", "words")
