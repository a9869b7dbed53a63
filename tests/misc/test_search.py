"""The command, end to end on a small collection."""

import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from helpers.changed_collection import check_changes_are_updated
from helpers.ranking_pages import write_clip
from helpers.search_collection import write_checkpoint

import misc.search as search_command
from misc.searching.commands import COMMANDS

PLACE = ["--name", "Toy"]
RESUME = ["--resume", "model.pth", *PLACE]
TRAINED = [*RESUME, "--channels", "trained", "--no_fold"]  # the other channels: tests/misc/test_search_channels.py
QUERY = "a red bird sings"


def ranks(out):
    return [line.split()[0] for line in out.splitlines() if line[:6].strip().isdecimal()]


def test_a_query_builds_the_index_and_prints_the_best(collection, search):
    out, err = search(QUERY, *TRAINED, "-k", 3)
    assert err.count("no index of Toy yet: building it") == 1 and "data/Toy/index: 44 videos in " in err
    assert "weights of the query: " in out and ranks(out) == ["1", "2", "3"]
    assert '"word0' in out and ("lacks " in out or "audio" in out)
    for arguments in (["-k", 3, *TRAINED, *QUERY.split()], ["query", QUERY, "-k", 3, *TRAINED]):
        again, err = search(*arguments)
        assert again == out and err == ""


def test_json_is_all_that_is_printed(collection, search):
    text, _ = search(QUERY, *TRAINED, "-k", 44)
    out, _ = search(QUERY, *TRAINED, "-k", 44, "--json")
    answer = json.loads(out)
    assert answer["query"] == QUERY and sum(answer["weights"].values()) == pytest.approx(1)
    assert [
        f"{hit['rank']:4}  {hit['similarity']:6.3f}  {hit['percentile']:3.0f} %  {hit['id']}" for hit in answer["hits"]
    ] == [line for line in text.splitlines() if line[:6].strip().isdecimal()]
    names = {"rank", "id", "similarity", "weights", "experts", "captions", "words", "clip", "normalized"}
    for hit in answer["hits"]:
        assert set(hit) == names | {"percentile", "folded", "moments"} and hit["moments"] == []
    assert "ocr: SALE 50%" in text


def test_a_video_asks_for_others_and_for_captions(collection, search):
    out, _ = search("--video", "video3", *TRAINED, "-k", 5, "--json")
    answer = json.loads(out)
    assert len(answer["hits"]) == len(answer["captions"]) == 5 and answer["weights"] is None
    text, _ = search("--video", "video3", *TRAINED, "-k", 5)
    assert ranks(text) == ["1", "2", "3", "4", "5"] * 2 and "captions:" in text
    assert f'"{answer["captions"][0]["caption"]}" of {answer["captions"][0]["video"]}' in text


def test_videos_are_added_and_removed(collection, search):
    archive, _ = collection
    _, err = search("build", *RESUME)
    whole, _ = search(QUERY, *TRAINED, "-k", 44, "--json")
    _, err = search("remove", *PLACE, "video3", "video4")
    others = "other channels have them until they are extracted again without their files"
    assert err == f"2 videos removed from the index of the model; {others}\n"
    out, err = search(QUERY, *TRAINED, "-k", 44, "--json")
    assert err == "the index lacks 2 videos of Toy, first 'video3': misc/search.py add\n"
    assert not {"video3", "video4"} & {hit["id"] for hit in json.loads(out)["hits"]}
    out, _ = search("info", *PLACE, "--json")
    about = json.loads(out)
    assert about["videos"] == sum(about["patterns"].values()) == 42 and about["kind"] == "flat"
    _, err = search("add", *RESUME, "video4", "video4")
    assert err == "1 video added\n"
    _, err = search("add", *RESUME)
    assert err == "1 video added\n"
    out, err = search(QUERY, *TRAINED, "-k", 44, "--json")
    one, two = (json.loads(x)["hits"] for x in (out, whole))
    assert [hit["id"] for hit in one] == [hit["id"] for hit in two] and err == ""
    np.testing.assert_allclose([hit["similarity"] for hit in one], [hit["similarity"] for hit in two], atol=1e-6)
    out, _ = search("info", *PLACE)
    assert "data/Toy/index: flat index of Toy, 44 videos" in out and "checkpoint: model.pth (weights " in out
    has = archive.features
    assert f"videos with audio {len(has['audio'])}, rgb 44, scene {len(has['scene'])}" in out


def test_changed_and_removed_videos_are_reported_and_updated_by_add(collection, search):
    check_changes_are_updated(collection, search)


def test_ids_in_nfd_mean_those_in_nfc(collection, search):
    """Ids are in either form in an archive, in an index and on the command line."""
    archive, _ = collection
    name, nfd = (unicodedata.normalize(form, "Käfer é") for form in ("NFC", "NFD"))
    for table in (*archive.features.values(), archive.text, archive.raw):
        if "video3" in table:
            table[nfd] = table.pop("video3")
    archive.lists = {part: [name if x == "video3" else x for x in listed] for part, listed in archive.lists.items()}
    archive.write()
    search("build", *RESUME)
    hits = [json.loads(search("--video", form, *TRAINED, "-k", 5, "--json")[0])["hits"] for form in (name, nfd)]
    assert hits[0] == hits[1]
    assert "1 video removed" in search("remove", *PLACE, nfd)[1]
    assert "1 video added" in search("add", *RESUME, nfd)[1]
    found = json.loads(search(QUERY, *TRAINED, "-k", 44, "--json")[0])["hits"]
    assert [hit["captions"] for hit in found if hit["id"] == name] != [[]] and len(found) == 44


def test_ids_and_words_may_begin_with_a_dash(collection, search, refuse):
    search("build", *RESUME)
    assert "no video '-dash' in it" in refuse("remove", *PLACE, "--", "-dash")
    assert json.loads(search(*TRAINED, "--json", "--", "-5", "degrees")[0])["query"] == "-5 degrees"
    assert "expected the ids of videos" in refuse("remove", *PLACE)
    for words in (("bird", "-red"), ("-kitchen", "bird"), ('-"red', 'bird"', "song")):
        result = json.loads(search(*words, *TRAINED, "--json", "-k3")[0])
        assert result["query"] == " ".join(words) and len(result["hits"]) <= 3
    with pytest.raises(SystemExit):  # more likely an option than a word
        search_command.parse_arguments(["bird", *TRAINED, "-json"])


def test_the_index_can_be_elsewhere_and_of_another_kind(collection, search):
    Path("data/Toy").rename("elsewhere")
    place = [*RESUME, "--data_dir", "elsewhere", "--index_dir", "mine"]
    _, err = search(QUERY, *place, "--index", "hnsw")
    assert "hnsw: recall@10 1.000" in err and Path("mine/index.json").exists()
    assert not Path("elsewhere/index").exists() and not Path("data/Toy").exists()
    _, err = search(QUERY, *place, "--index", "ivf")
    assert err == "the index is hnsw: --index ivf only applies to a new index: misc/search.py build --checkpoint FILE\n"
    search("build", *place, "--index", "flat")
    out, _ = search("info", *PLACE, "--index_dir", "mine")
    assert "mine: flat index" in out


def test_an_index_is_built_again_with_its_own_model(collection, search):
    search("build", *RESUME)
    _, err = search("build", *PLACE, "--index", "hnsw")
    assert "words: " in err and "hnsw: recall@10" in err
    assert "index: hnsw index of Toy, 44 videos" in search("info", *PLACE)[0]


def test_errors_are_one_line(collection, refuse, config):
    assert "index.json: not found, expected an index" in refuse("add", *RESUME)
    expected = "expected some words, --image FILE or both, --video ID, or a filter --where"
    assert f"query: {expected}" in refuse(*TRAINED)
    found = "query: both words or --image and --video"
    assert f"{found}, {expected}" in refuse("bird", "--video", "video1", *TRAINED)
    assert "query: empty" in refuse("", *TRAINED)
    assert "k: 0, expected" in refuse("bird", *TRAINED, "-k", 0)
    assert "no video 'nobody'" in refuse("--video", "nobody", *TRAINED)
    assert "data/Other: no such folder, expected the collection: misc/extract_experts.py --name Other" in refuse(
        "bird", "--resume", "model.pth", "--name", "Other"
    )
    assert "nothing.pth: no such checkpoint" in refuse("bird", "--resume", "nothing.pth", *PLACE)
    write_checkpoint("other.pth", config, seed=1)
    message = refuse("bird", "--resume", "other.pth", *PLACE)
    assert "data/Toy/index: built with model.pth (weights " in message and "found other.pth" in message
    assert message.endswith("rebuild the index: misc/search.py build --checkpoint other.pth")
    shutil.copytree("data/Toy", "data/Two")
    two = ["--resume", "model.pth", "--name", "Two"]
    for words in (["bird", *two], ["add", *two], ["info", *two[2:]]):
        assert "data/Toy/index: an index of Toy, expected one of Two" in refuse(*words, "--index_dir", "data/Toy/index")
    assert "--html model.pth: a file, expected a folder" in refuse("bird", *TRAINED, "--html", "model.pth")
    (next(Path("data/Toy/index").glob("111.*.faiss"))).write_bytes(b"damaged")
    assert "faiss: damaged: 7 bytes" in refuse("bird", *TRAINED)


def test_every_command_has_help(call):
    code, out, _ = call(search_command, "--help")
    assert code == 0 and all(f"\n  {name} " in out for name in COMMANDS)
    for name in COMMANDS:
        code, out, _ = call(search_command, name, "--help")
        assert code == 0 and "--name" in out
    code, _, err = call(search_command)
    assert (code, err) == (2, "misc.search: error: the following arguments are required: command (see --help)\n")


def test_results_as_a_page(collection, search, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    write_clip(Path("data/Toy/videos/video3.webm"))
    attack = "<script>window.hacked=1</script>"
    _, err = search(f"a bird {attack}", *TRAINED, "-k", 44, "--html", "page")
    assert "page: page/index.html" in err
    search("--video", "video3", *TRAINED, "--html", "other", "-k", 4)
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto((tmp_path / "page" / "index.html").as_uri())
        assert page.locator("h1").text_content() == f"a bird {attack}"
        assert page.locator(".tiles > li").count() == 44
        assert page.locator(".tiles > li").first.locator(".experts li").count() == 3
        page.locator("video").first.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('video').readyState >= 1", timeout=20_000)
        assert page.locator("video").count() == 1 and page.evaluate("window.hacked") is None
        page.goto((tmp_path / "other" / "index.html").as_uri())
        assert page.locator(".tiles > li").count() == 5 and page.locator(".reference").count() == 1
        assert page.locator("ol:not(.tiles) > li").count() == 4
        assert problems == []
        chromium.close()
