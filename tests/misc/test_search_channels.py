"""`misc/search.py` by channels: without captions and without a model, and fused with one."""

import json
import shutil
from itertools import product
from pathlib import Path

import pytest
from helpers.ranking_pages import write_clip
from helpers.search_collection import write_checkpoint

import misc.search as search_command
from misc.extraction.posters import Posters
from misc.searching.channels.fused_result import NEXT_STEP

PLACE = ["--name", "Toy"]
RESUME = ["--resume", "model.pth", *PLACE]


def hits(out):
    return json.loads(out)["hits"]


def test_a_folder_without_captions_and_model_is_searched(folder, search):
    out, err = search("thanks for watching", *PLACE)
    assert out.splitlines()[0].startswith("channels: words, concepts (") and "   1  0.0164  video3\n" in out
    assert "words, rank 1: ocr “Thanks watching”" in out and "ocr: Thanks for watching" in out
    assert "data/Toy/index/words.db: words of 44 videos\n" in err and "data/Toy/index/concepts.npz: concepts of 44" in err
    again, err = search("thanks for watching", *PLACE)
    assert again == out and err == ""
    (first, *_) = hits(search("a zebra", *PLACE, "--json")[0])
    assert first["id"] == "video7" and first["channels"]["concepts"]["evidence"][0]["text"] == "zebra"
    out, _ = search("asdf qwer", *PLACE)
    line, note = out.splitlines()
    assert line == "no match: no video has these words, or similar ones, and no concept is close to them"
    assert note == f"note: {NEXT_STEP}"
    assert json.loads(search("asdf", *PLACE, "--json")[0])["hits"] == []
    assert search("--video", "video3", *PLACE, "--where", "name=absent")[0] == "no other video is similar to it\n"


def test_channels_are_picked(folder, search, refuse):
    answer = json.loads(search("zebra sale", *PLACE, "--json", "--channels", "words")[0])
    assert answer["channels"] == ["words"] and [hit["id"] for hit in answer["hits"]] == ["video5"]
    answer = json.loads(search("zebra sale", *PLACE, "--json", "--channels", " concepts,")[0])
    assert answer["channels"] == ["concepts"] and answer["hits"][0]["id"] == "video7"
    assert "--channels: 'word', expected some of words,concepts,zero_shot,trained" in refuse(
        "x", *PLACE, "--channels", "word,x"
    )
    assert "--channels: empty" in refuse("x", *PLACE, "--channels", ",")
    expected = "--channels trained: no index of a trained model, expected --checkpoint FILE"
    for names in ("trained", "words,trained"):
        assert expected in refuse("x", *PLACE, "--channels", names)
    (folder / "extraction.json").unlink()
    assert "--channels concepts: expert rgb: not in extraction.json" in refuse("x", *PLACE, "--channels", "concepts")
    assert json.loads(search("sale", *PLACE, "--json")[0])["channels"] == ["words"]


def test_similar_videos_without_a_model(folder, search, refuse):
    found = json.loads(search("--video", "video20", *PLACE, "--json", "-k", 3, "--no_fold")[0])
    assert {hit["id"] for hit in found["hits"]} == {"video19", "video21", "video22"} or len(found["hits"]) == 3
    assert found["captions"] == [] and "channels" not in found
    out, _ = search("--video", "video20", *PLACE, "-k", 3, "--no_fold")
    assert "no expert" not in out and len(out.splitlines()) == 3
    assert "no video 'nobody' in it" in refuse("--video", "nobody", *PLACE)


def test_building_and_information_need_no_model(folder, search, refuse):
    _, err = search("build", *PLACE)
    assert "words: ocr of 2 videos, name of 44 videos\n" in err and "concepts: classes of ImageNet in 44 videos\n" in err
    out, _ = search("info", *PLACE)
    assert "trained: no index of a trained model" in out and "words: ocr of 2 videos" in out
    assert json.loads(search("info", *PLACE, "--json")[0])["channels"].keys() == {
        "words",
        "concepts",
        "zero_shot",
        "trained",
    }
    words = json.loads((folder / "symlinked-feats/ocr-words.json").read_text())
    (folder / "symlinked-feats/ocr-words.json").write_text(json.dumps({**words, "video9": ["encore"]}))
    assert "ocr of 3 videos" in search("add", *PLACE)[1]
    assert hits(search("encore", *PLACE, "--json")[0])[0]["id"] == "video9"
    assert "expected --checkpoint FILE; the other channels have all videos" in refuse("add", "video3", *PLACE)
    assert "the other channels have the videos of the folder as of its last extraction" in refuse("remove", "video3", *PLACE)
    assert "MSVD: a published dataset" in refuse("bird", "--name", "MSVD", "--data_dir", "data/Toy")
    assert "data/None: no such folder" in refuse("bird", "--name", "None")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *product(("query", "serve"), ("--config=x", "--encoder=stub", "--index=hnsw", "--querybank", "--uri=x.db")),
        *product(("build",), ("--config=x", "--index=hnsw", "--querybank", "--uri=x.db")),
        ("add", "--config=x"),
    ],
)
def test_options_of_a_model_are_refused_without_one(folder, refuse, monkeypatch, command, option):
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    words = {"query": ["bird"], "serve": ["--port", "0"]}.get(command, [])
    reason = f"error: {command}: {option.partition('=')[0]} has no effect without a trained model, expected "
    assert refuse(command, *words, *PLACE, option) == f"{reason}--checkpoint FILE"
    if words:
        assert refuse(command, *words, *PLACE, option, "--channels", "words") == f"{reason}trained in --channels"
    assert not (folder / "index").exists()


def test_options_without_effect_are_reported(folder, search, refuse):
    device = "--device has no effect without a trained or an image-text model\n"
    search("build", *PLACE)
    assert search("sale", *PLACE, "--device", "0", "--no_querybank")[1] == (
        f"--no_querybank has no effect without a trained model\n{device}"
    )
    for command in ("build", "add"):
        assert search(command, *PLACE, "--device", "0")[1].startswith(device)


def test_options_that_add_or_build_cannot_use_are_refused(collection, search, refuse, call):
    search("build", *RESUME)
    expected = "add: --index only applies to a new index: misc/search.py build --checkpoint FILE"
    for words in (PLACE, RESUME):
        assert expected in refuse("add", *words, "--index", "hnsw")
    for command in ("add", "build"):
        code, _, err = call(search_command, command, *RESUME, "--encoder", "stub")
        assert code == 2 and f"search.py {command}: error: unrecognized arguments: --encoder" in err


def test_a_damaged_record_is_one_line(folder, refuse):
    (folder / "extraction.json").write_text(json.dumps({"experts": {"rgb": {"dim": "many"}}}))
    assert "data/Toy/extraction.json: experts.rgb.dim: " in refuse("bird", *PLACE)
    (folder / "extraction.json").write_text("{")
    assert "data/Toy/extraction.json: damaged" in refuse("bird", *PLACE)


def test_a_model_is_fused_with_the_words(collection, search):
    everything = [*RESUME, "--no_fold", "-k", 44, "--json"]
    trained = hits(search("SALE", *everything, "--channels", "trained")[0])
    out, err = search("SALE", *everything)
    answer = json.loads(out)
    assert answer["channels"] == ["words", "trained"] and "concepts" in answer["absent"] and "words.db" in err
    rank = {hit["id"]: hit["rank"] for hit in trained}
    expected = {video: 1 / (60 + rank[video]) + (1 / 61 if video == "video0" else 0) for video in rank}
    scores = {hit["id"]: hit["score"] for hit in answer["hits"]}
    assert scores == pytest.approx(expected)
    with_other = {hit["id"]: hit["score"] for hit in hits(search("SALE now", *everything)[0])}
    assert with_other["video0"] < scores["video0"]  # "now" is in no video
    assert {hit["id"]: hit["similarity"] for hit in answer["hits"]} == {hit["id"]: hit["similarity"] for hit in trained}
    text, _ = search("SALE now", *RESUME)
    assert "words, rank 1: ocr “SALE”" in text and ", rank 1: similarity " in text


def test_the_index_knows_its_model(collection, search, refuse, config):
    plain = search("a bird", *RESUME, "--channels", "trained", "--json")[0]
    assert search("a bird", *PLACE, "--channels", "trained", "--json")[0] == plain
    assert search("a bird", *PLACE, "--json")[0] == search("a bird", *RESUME, "--json")[0]
    search("remove", *PLACE, "video3")
    assert "1 video added" in search("add", *PLACE)[1]
    assert "words: " in search("info", *PLACE)[0]
    Path("model.pth").rename("elsewhere.pth")
    out, err = search("SALE", *PLACE, "--json")
    reason = "data/Toy/index: built with model.pth, which does not exist: expected --checkpoint FILE"
    assert err == f"trained: not searched: {reason}\n" and json.loads(out)["absent"]["trained"] == reason
    assert reason in refuse("SALE", *PLACE, "--channels", "trained")
    assert reason in refuse("add", *PLACE)
    write_checkpoint("model.pth", config, seed=1)
    assert "trained: not searched: data/Toy/index: built with model.pth (weights " in search("SALE", *PLACE)[1]


def test_a_query_without_a_word_of_the_encoder_is_answered_by_words(collection, search):
    answer = json.loads(search("? 50%", *RESUME, "--json", "--encoder", "stub")[0])
    assert answer["hits"][0]["channels"]["words"]["rank"] == 1
    out, err = search("SALE", *RESUME, "--json", "--encoder", "other")
    answer = json.loads(out)
    assert f"trained: not searched: {answer['absent']['trained']}\n" in err
    assert answer["channels"] == ["words"] and "word vectors 'elsewhere'" in answer["absent"]["trained"]


def test_a_page_says_why(folder, search):
    write_clip(folder / "videos/video3.webm")
    search("thanks", *PLACE, "--html", "page")
    assert (
        "words 1: ocr “Thanks”"
        in json.loads(Path("page/data.js").read_text().partition("(")[2].rstrip(");\n"))["hits"][0]["text"]
    )
    search("asdf", *PLACE, "--html", "empty")
    assert "No match: no video has these words" in Path("empty/index.html").read_text()
    shutil.rmtree("page")


def test_the_page_shows_posters(folder, search):
    clips = {"video3": folder / "videos" / "video3.webm", "video5": folder / "videos" / "video5.GIF"}
    for path in clips.values():
        write_clip(path.with_suffix(".webm"))
        path.with_suffix(".webm").rename(path)
    Posters(folder / "posters").write("video3", clips["video3"], b"picture")
    search("sale or thanks", *PLACE, "--html", "page", "--no_fold", "-k", 44)
    content = json.loads(Path("page/data.js").read_text().removeprefix("registerResults(").removesuffix(");\n"))
    videos = {hit["video"]["id"]: hit["video"] for hit in content["hits"]}
    assert (videos["video3"]["file"], videos["video3"]["plays"]) == ("video3.webm", True)
    assert Path("page", videos["video3"]["poster"]).read_bytes() == b"picture"
    assert (videos["video5"]["poster"], videos["video5"]["plays"]) == (None, False)
    assert Path("page", videos["video5"]["address"]).read_bytes() == clips["video5"].read_bytes()
    clips["video3"].write_bytes(b"another clip")
    search("sale or thanks", *PLACE, "--html", "page")
    assert '"poster":"' not in Path("page/data.js").read_text()
