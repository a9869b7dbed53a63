"""The files of the ranking page; `tests/nightly/test_ranking_page_browser.py` opens it in a browser."""

import html
import json
import logging
import os
import re
import unicodedata
import urllib.parse
from pathlib import Path

import pytest
import torch
from helpers.commands import assert_equal_weights, train
from helpers.ranking_pages import listed, make_page_data, shown

import test as test_command
from utils.visualizer import Visualizer
from utils.visualizer.content import page_content

VISUALIZER = ("--set", "visualizer.type=Visualizer", "--set")
ODD = ["\"quoted\" 'id'", "100%", "what?#1", "żółw 映画", "folder/clip", "a&b;c", "</script><b>", "back\\slash", "\u2028"]


@pytest.fixture
def visualizer(tmp_path):
    """A visualizer of a page in `tmp_path / "page"`."""

    def visualizer(src_video_dir=None, vis_vid_freq=1, num_samples=100, name="toy 1", similarity="pairwise"):
        folder = tmp_path / "page"
        return Visualizer(src_video_dir, vis_vid_freq, num_samples, folder=folder, name=name, similarity=similarity)

    return visualizer


def test_clips_in_nfd_are_found_by_ids_in_nfc(visualizer, tmp_path):
    name, nfd = (unicodedata.normalize(form, "Käfer é") for form in ("NFC", "NFD"))
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / f"{nfd}.webm").touch()
    data = make_page_data(num_videos=2, ids=[name, "b"], captions=[["x"], ["y"]])
    visualizer(tmp_path / "clips").show(data, 1, "val")
    address = {video["id"]: video["address"] for video in shown(tmp_path / "page")["videos"]}[name]
    assert urllib.parse.unquote(address) == f"videos/{nfd}.webm"


def test_odd_names_are_quoted_in_addresses_and_harmless_in_the_data(visualizer, tmp_path):
    captions = [[name, f"<script>{name}</script>", "bad \udc80 byte"] for name in ODD]
    for name in ODD:
        path = tmp_path / "clips" / f"{name}.webm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    ids = [*ODD[:-1], "../clips/100%"]
    data = make_page_data(num_videos=len(ids), ids=ids, captions=captions)
    visualizer(tmp_path / "clips", name='<b>name</b> & "more"').show(data, 1, "<i>split")
    text = (tmp_path / "page/data/1.js").read_text(encoding="ascii")  # so no U+2028 either
    assert "<" not in text
    videos = {video["id"]: video for video in shown(tmp_path / "page")["videos"]}
    assert set(videos) == set(ids) and [videos[name]["captions"] for name in ids] == captions
    for name in ODD[:-1]:
        assert re.fullmatch(r"[\w%./~-]+", videos[name]["address"], re.ASCII)
    assert videos["100%"]["address"] == "videos/100%25.webm" and videos["what?#1"]["address"] == "videos/what%3F%231.webm"
    assert videos["../clips/100%"]["address"] is None
    page = (tmp_path / "page/index.html").read_text()
    assert "<b>name" not in page and "<i>split" not in page
    assert '<b>name</b> & "more"' in html.unescape(page) and "<i>split" in html.unescape(page)


@pytest.mark.parametrize("folder", [None, "nowhere"])
def test_without_clips_one_log_line_names_the_setting(visualizer, tmp_path, caplog, folder):
    caplog.set_level(logging.INFO)
    page = visualizer(folder)
    page.show(make_page_data(), 1, "val")
    page.show(make_page_data(), 2, "val")
    (line,) = [record.message for record in caplog.records if "no clips" in record.message]
    assert "visualizer.args.src_video_dir" in line and (folder is None or "'nowhere'" in line)
    assert {video["address"] for video in shown(tmp_path / "page")["videos"]} == {None}
    assert not os.path.lexists(tmp_path / "page/videos")


def test_the_link_to_the_clips_is_relative_follows_links_and_is_renewed(tmp_path):
    (tmp_path / "another/disk/saved").mkdir(parents=True)
    (tmp_path / "data").symlink_to("another/disk")  # the page lies deeper than its path says
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "video1.webm").write_text(name)
    for name in ("one", "one", "two"):
        folder = tmp_path / "data/saved/page"
        page = Visualizer(str(tmp_path / name), folder=folder, name="toy", similarity="pairwise")
        page.show(make_page_data(), 1, "val")
        assert (folder / "videos/video1.webm").read_text() == name
        assert not (folder / "videos").readlink().is_absolute()


def test_epochs_are_added_and_a_resumed_run_keeps_the_earlier_ones(visualizer, tmp_path):
    page = visualizer(vis_vid_freq=2)
    for epoch in range(1, 6):
        page.show_epoch(make_page_data(seed=epoch), epoch, "val")
    page = visualizer(vis_vid_freq=2)
    page.show_epoch(make_page_data(seed=7), 4, "val")  # done again
    page.show(make_page_data(seed=8), 3, "test")
    folder = tmp_path / "page"
    assert listed(folder) == [("val", 2), ("val", 4), ("test", 3)]
    options = re.findall(r'<option value="(\d)"( selected)?>(.*?)</option>', (folder / "index.html").read_text())
    assert options == [("1", "", "epoch 2, val"), ("3", " selected", "epoch 3, test"), ("2", "", "epoch 4, val")]
    content = shown(folder, 2)
    assert (content["epoch"], content["split"]) == (4, "val")
    assert (content["num_videos"], content["num_captions"], content["leaky"]) == (8, 20, False)
    expected = page_content(make_page_data(seed=7), {}, 100)
    assert content["t2v"]["histogram"] == expected["t2v"]["histogram"]
    page.show(make_page_data(seed=9), 2, "val")
    assert listed(folder) == [("val", 4), ("test", 3), ("val", 2)]  # the latest is shown first


def test_a_damaged_list_is_a_warning(visualizer, tmp_path, caplog):
    visualizer().show(make_page_data(), 1, "val")
    (tmp_path / "page/data/evaluations.json").write_text('[{"number": 1}')
    visualizer().show(make_page_data(), 2, "val")
    assert listed(tmp_path / "page") == [("val", 2)]
    assert "evaluations.json: damaged" in caplog.text


def test_a_page_that_cannot_be_written_is_a_warning(visualizer, tmp_path, caplog):
    (tmp_path / "page").write_text("in the way")
    visualizer().show(make_page_data(), 1, "val")
    assert "cannot be written" in caplog.text and caplog.records[-1].levelname == "WARNING"


@pytest.mark.parametrize(
    ("v2t_ties", "text"), [("expected", "never count against it"), ("published", "v2t_ties: published")]
)
def test_a_page_names_the_rule_for_ties(tmp_path, v2t_ties, text):
    page = Visualizer(folder=tmp_path, name="toy 1", similarity="pairwise", v2t_ties=v2t_ties)
    page.show(make_page_data(), 1, "val")
    assert text in (tmp_path / "index.html").read_text()


def test_a_leaky_similarity_is_marked(visualizer, tmp_path):
    visualizer(similarity="paired-2019").show(make_page_data(), 1, "val")
    assert shown(tmp_path / "page")["leaky"] is True


@pytest.mark.parametrize("moment", range(1, 8))
def test_an_interrupted_page_refers_only_to_complete_files(visualizer, tmp_path, monkeypatch, moment):
    visualizer().show(make_page_data(), 1, "val")
    replaced, original = [], Path.replace

    def replace(self, target):
        replaced.append(target)
        if len(replaced) == moment:
            raise KeyboardInterrupt
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        visualizer().show(make_page_data(seed=1), 2, "val")
    monkeypatch.undo()
    page = (tmp_path / "page/index.html").read_text()
    assert page.endswith("</html>\n")
    numbers = [int(number) for number in re.findall(r'<option value="(\d)"', page)]
    assert [shown(tmp_path / "page", number)["epoch"] for number in numbers] == [1]
    visualizer().show(make_page_data(seed=1), 2, "val")
    assert listed(tmp_path / "page") == [("val", 1), ("val", 2)]


def test_commands_write_pages(run):
    plain, out = train(run)
    assert "page:" not in out
    web = Path("data/saved/web/toy-train-ce")
    assert not list(web.rglob("*.html"))

    folder, out = train(run, *VISUALIZER, 'visualizer.args={"vis_vid_freq": 2}', "--set", "test_split=test")
    page = web / folder.name
    serve = f"python -m http.server 9999 --directory {page}"
    assert f"page: {page}/index.html (open it in a browser; over a network: {serve})" in out.splitlines()
    assert listed(page) == [("val", 2), ("test", torch.load(folder / "trained_model.pth")["epoch"])]
    assert_equal_weights(plain / "trained_model.pth", folder / "trained_model.pth")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert shown(page, 2)["t2v"]["metrics"] == metrics["t2v_metrics"]
    assert f"<h1>toy-train-ce {folder.name}</h1>" in (page / "index.html").read_text()

    code, out, err = run(test_command, "--resume", folder / "trained_model.pth", "--similarity", "paired-2019")
    assert code == 0, err
    (tested,) = {path.parent for path in web.rglob("index.html")} - {page}
    assert f"page: {tested}/index.html" in out
    assert shown(tested)["leaky"] is True and listed(tested)[0][0] == "test"


def test_each_seed_has_a_page(run):
    folder, _ = train(run, "--seeds", "0,1", *VISUALIZER, 'visualizer.args={"vis_vid_freq": 9}')
    for seed in (0, 1):
        assert len(listed(Path("data/saved/web/toy-train-ce") / folder.name / f"seed-{seed}")) == 1
