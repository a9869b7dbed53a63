"""An index in a folder: changed, killed during a write, damaged."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.search_collection import create_store, make_metadata, open_store, random_texts, random_videos, select_videos

from misc.searching.index import faiss_store
from model.similarity import pairwise_similarity
from utils.errors import InputError

DIMS = [6, 4, 5]
METADATA = make_metadata(["a", "b", "c"], DIMS)
VIDEOS = random_videos(60, DIMS)
TEXTS = random_texts(7, DIMS)


def build(folder, videos=VIDEOS, metadata=METADATA):
    store = create_store(folder, metadata)
    try:
        store.add(*videos)
        store.optimize()
        store.commit()
    finally:
        store.close()


def answers(folder, k=20):
    store = open_store(folder)
    found = store.search(TEXTS, k)
    store.close()
    return found


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert [video for video, _ in a] == [video for video, _ in b]
        np.testing.assert_allclose([score for _, score in a], [score for _, score in b], atol=1e-6)


def change(folder):
    """Remove a third of the videos and add ten."""
    store = open_store(folder, writing=True)
    try:
        store.remove(VIDEOS[0][:20])
        store.add(*select_videos(VIDEOS, range(50, 60)))
        store.commit()
    finally:
        store.close()


def test_an_updated_index_equals_a_new_one(tmp_path):
    build(tmp_path / "one", select_videos(VIDEOS, range(50)))
    change(tmp_path / "one")
    build(tmp_path / "other", select_videos(VIDEOS, range(20, 60)))
    assert_same(answers(tmp_path / "one"), answers(tmp_path / "other"))
    names = {path.name.split(".")[0] for path in (tmp_path / "one" / "index").iterdir()}
    assert names == {path.name.split(".")[0] for path in (tmp_path / "other" / "index").iterdir()}  # no file remains


def test_a_video_that_is_added_again_is_replaced(tmp_path):
    build(tmp_path)
    ids, _, embedding = select_videos(VIDEOS, [3])
    other = select_videos(random_videos(60, DIMS, seed=5), [4])
    store = open_store(tmp_path, writing=True)
    store.add(ids, other[1], other[2])
    store.commit()
    assert len(store.videos) == 60
    sims = pairwise_similarity(TEXTS, other[2])[:, 0]
    for row, score in zip(store.search(TEXTS, 60), sims, strict=True):
        assert dict(row)["v3"] == pytest.approx(float(score), abs=1e-6)
    store.close()


def test_all_can_be_removed(tmp_path):
    build(tmp_path)
    store = open_store(tmp_path, writing=True)
    store.remove(VIDEOS[0])
    store.commit()
    store.close()
    assert answers(tmp_path) == [[]] * 7
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == [".lock", "index.json", "videos.2.json"]


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_indexes_find_most_videos_and_can_be_changed(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 200)
    videos = random_videos(2500, DIMS, share=0.75)
    build(tmp_path, select_videos(videos, range(2000)), make_metadata(["a", "b", "c"], DIMS, kind=kind))
    store = open_store(tmp_path, writing=True)
    kinds = {pattern: index.kind for pattern, index in store._indexes.items()}
    assert kinds["111"] == kind and kinds["001"] == "flat"  # 750 and 80
    for gone, new in ((range(0), range(0)), (range(0, 2000, 3), range(2000, 2500))):
        store.remove([f"v{i}" for i in gone])
        store.add(*select_videos(videos, new))
        store.commit()
        reopened = open_store(tmp_path)
        there = sorted(int(video[1:]) for video in reopened.videos.columns.ids)
        sims = pairwise_similarity(TEXTS, select_videos(videos, there)[2])
        expected = [{f"v{there[i]}" for i in row} for row in sims.topk(10).indices.tolist()]
        usual = [{video for video, _ in row} for row in reopened.search(TEXTS, 10)]
        assert not any(found & {f"v{i}" for i in gone} for found in usual)
        reopened.effort = 64
        best = [{video for video, _ in row} for row in reopened.search(TEXTS, 10)]
        recalls = [np.mean([len(a & b) / 10 for a, b in zip(expected, found, strict=True)]) for found in (usual, best)]
        assert recalls[0] >= 0.6 and recalls[1] >= 0.98
        reopened.close()
    store.close()


def test_an_effort_is_kept(tmp_path):
    store = create_store(tmp_path, METADATA)
    store.add(*VIDEOS)
    store.effort = 4
    store.commit()
    store.close()
    assert open_store(tmp_path).effort == 4


class Killed(BaseException):
    """The process was killed: it does nothing more."""


@pytest.fixture
def kill_at(monkeypatch):
    """Kill the process at the n-th event of a write: the end, the replacement or the deletion of a file."""
    state = {"left": -1, "dead": False}

    def event(function):
        def wrapper(*arguments, **options):
            if state["dead"]:
                return None
            if state["left"] == 0:
                state["dead"] = True
                raise Killed
            state["left"] -= 1
            return function(*arguments, **options)

        return wrapper

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, event(getattr(owner, name)))

    def start(number):
        state.update(left=number, dead=False)

    return start


def rebuild(folder):
    build(folder, select_videos(VIDEOS, range(20, 60)))


@pytest.mark.parametrize("work", [change, rebuild])
def test_a_write_that_is_killed_leaves_the_old_index_or_the_new_one(tmp_path, kill_at, work):
    rebuild(tmp_path / "new")
    new = answers(tmp_path / "new")
    seen = []
    for number in range(1000):
        folder = tmp_path / str(number)
        build(folder, select_videos(VIDEOS, range(50)))
        old = answers(folder)
        kill_at(number)
        try:
            work(folder)
            ended = True
        except Killed:
            ended = False
        kill_at(-1)
        found = answers(folder)
        seen.append("old" if found == old else "new")
        if seen[-1] == "new":
            assert_same(found, new)
        work_again = open_store(folder, writing=True)  # and removes what remains
        work_again.commit()
        work_again.close()
        named = json.loads((folder / "index" / "index.json").read_text())
        files = {"index.json", ".lock", named["videos"]["name"], *(x["name"] for x in named["patterns"].values())}
        assert {path.name for path in (folder / "index").iterdir()} == files
        if ended:
            break
    assert seen == sorted(seen, reverse=True) and seen.count("old") > 10 and seen.count("new") > 3


def test_a_full_disk_leaves_the_old_index(tmp_path, monkeypatch):
    build(tmp_path, select_videos(VIDEOS, range(50)))
    before = answers(tmp_path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            change(tmp_path)
    assert answers(tmp_path) == before


def test_it_can_be_read_while_it_is_changed(tmp_path):
    build(tmp_path)
    store = open_store(tmp_path, writing=True)
    assert answers(tmp_path)
    store.close()


def refusal(folder):
    with pytest.raises(InputError) as caught:
        open_store(folder)
    text = str(caught.value)
    assert "\n" not in text and str(folder / "index") in text
    return text


def test_no_index(tmp_path):
    assert "index.json: not found, expected an index: misc/search.py build" in refusal(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "short", "changed", "gone", "swapped"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    for number in range(20):
        build(tmp_path / str(number))
        folder = tmp_path / str(number) / "index"
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".faiss" or path.name.startswith("videos"))
        if number == len(paths):
            return
        path, content = paths[number], paths[number].read_bytes()
        if damage == "gone":
            path.unlink()
        elif damage == "swapped":
            path.write_bytes(paths[number - 1].read_bytes())
        else:
            half = len(content) // 2
            changed = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
            path.write_bytes({"empty": b"", "short": content[:half], "changed": changed}[damage])
        assert path.name in refusal(tmp_path / str(number))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x.clear(), "version: Field required"),
        (lambda x: x.update(version=2), "version"),
        (lambda x: x.update(generation="1"), "generation"),
        (lambda x: x.update(more=1), "more"),
        (lambda x: x["about"].update(dims=[6, 4]), "2 dims for 3 experts"),
        (lambda x: x["about"].update(sha256="x"), "about.sha256"),
        (lambda x: x["about"].update(dims=[6, 4, 7]), "dimension"),
        (lambda x: x["about"].update(experts=["a", "b", "c", "d"], dims=[1, 2, 3, 4]), "expected 4 times 0 or 1"),
        (lambda x: x["videos"].update(name="../videos.1.json"), "videos.name"),
        (lambda x: x["patterns"]["111"].update(name="/etc/passwd"), "patterns.111.name"),
        (lambda x: x["patterns"]["111"].update(kind="hnsw"), "expected one of kind hnsw"),
        (lambda x: x["patterns"]["111"].update(x["patterns"]["101"]), "111"),
        (lambda x: x["patterns"].pop("111"), "not those of videos"),
        (lambda x: x["patterns"].update({"000": x["patterns"]["111"]}), "not those of videos"),
    ],
)
def test_an_invalid_manifest_is_refused(tmp_path, change, expected):
    build(tmp_path)
    path = tmp_path / "index" / "index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    text = refusal(tmp_path)
    assert expected in text or (expected == "111" and "101.1.faiss" in text), text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"1" * 5000, b"[" * 100_000])
def test_a_manifest_that_is_not_an_object_is_refused(tmp_path, content):
    build(tmp_path)
    (tmp_path / "index" / "index.json").write_bytes(content)
    assert "index.json: " in refusal(tmp_path)
