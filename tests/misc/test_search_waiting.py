"""Processes that change one index wait for each other and do not repeat each other's work."""

import contextlib
import logging
import shutil
import signal
import threading
from pathlib import Path

import pytest
import torch
from helpers.search_collection import make_metadata
from helpers.search_pages import wait_until
from helpers.waiting_search import INDEX, started

from misc.searching.building import add_videos, build_index, remove_videos
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.vector_store import IndexLocation, lock_index

LOCATION = IndexLocation("Toy")


@pytest.fixture
def parts(collection):
    """Return the embedder of the checkpoint and the collection."""
    embedder = Embedder(Path("model.pth"), torch.device("cpu"))
    return embedder, Collection("Toy", Path("data/Toy"), embedder.config, embedder.experts)


@contextlib.contextmanager
def blocked_thread(caplog, work):
    """Run `work` in a thread that has to wait until the block ends."""
    caplog.set_level(logging.INFO)
    errors = []

    def run():
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=run)
    with lock_index(INDEX):
        caplog.clear()
        thread.start()
        wait_until(lambda: f"{INDEX}: waits for another process, which has begun" in caplog.text or errors)
        yield
        assert thread.is_alive() or errors
    thread.join(60)
    assert not thread.is_alive() and not errors, errors


def videos():
    store = LOCATION.open()
    found = store.videos.columns.ids
    store.close()
    return found


def test_a_change_waits_and_applies_to_the_latest_index(parts, caplog):
    embedder, collection = parts
    build_index(embedder, collection, LOCATION, "flat")
    everything, before = videos(), Path(shutil.copytree(INDEX, "before"))
    remove_videos(LOCATION, ["video0"])
    after = Path(shutil.copytree(INDEX, "after"))
    with blocked_thread(caplog, lambda: remove_videos(LOCATION, ["video1"])):
        put(before)
    assert set(videos()) == set(everything) - {"video1"}
    added = []
    with blocked_thread(caplog, lambda: added.append(add_videos(embedder, collection, LOCATION, None))):
        put(after)
    assert added == [1] and set(videos()) == set(everything)
    with blocked_thread(caplog, lambda: added.append(add_videos(embedder, collection, LOCATION, None))):
        put(before)
    assert added == [1, 0]


def put(folder):
    """Write the files that another process would write."""
    for path in INDEX.iterdir():
        if path.name != ".lock":
            path.unlink()
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "index.json"):
        if path.name != ".lock":
            shutil.copy(path, INDEX)


@pytest.mark.parametrize(
    ("kind", "missing_only", "change", "built"),
    [
        ("flat", True, None, False),
        ("hnsw", True, None, False),  # a first search uses the existing index
        ("flat", False, None, False),
        ("hnsw", False, None, True),
        ("flat", False, "lacks one", True),
        ("flat", False, "damaged", True),
        ("flat", True, "none", True),  # the other process was killed
        ("flat", False, "none", True),
    ],
)
def test_an_index_that_another_process_has_built_is_not_rebuilt(parts, caplog, kind, missing_only, change, built):
    embedder, collection = parts
    build_index(embedder, collection, LOCATION, "flat")
    if change == "lacks one":
        remove_videos(LOCATION, ["video0"])
    there = Path(shutil.copytree(INDEX, "there"))
    for path in there.glob("111.*.faiss"):
        if change == "damaged":
            path.write_bytes(b"damaged")
    shutil.rmtree(INDEX)
    with blocked_thread(caplog, lambda: build_index(embedder, collection, LOCATION, kind, missing_only)):
        if change != "none":
            put(there)
    assert ("patterns of experts" in caplog.text) == built
    assert ("another process has built it: using that index" in caplog.text) != built
    assert len(videos()) == len(collection.ids)


def test_a_build_that_has_not_waited_is_always_done(parts, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(2):
        build_index(*parts, LOCATION, "flat")
    assert caplog.text.count("patterns of experts") == 2


def test_an_index_in_milvus_waits_too(tmp_path, monkeypatch, caplog):
    pytest.importorskip("milvus_lite")
    from misc.searching.index.milvus_store import MilvusStore

    monkeypatch.chdir(tmp_path)
    INDEX.mkdir(parents=True)
    stores = []
    with blocked_thread(caplog, lambda: stores.append(MilvusStore("x.db", "Toy", INDEX, make_metadata(["a"], [4])))):
        assert not stores
    assert stores[0].waited
    stores[0].close()


def test_waiting_can_be_interrupted(parts):
    build_index(*parts, LOCATION, "flat")
    before = videos()
    with lock_index(INDEX), started("remove", "--name", "Toy", "video0") as (process, _):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err.splitlines()[-1]) == (130, "", "interrupted") and "Traceback" not in err
    assert videos() == before
