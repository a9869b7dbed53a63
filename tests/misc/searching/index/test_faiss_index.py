"""Approximate indexes of clustered collections that shrink and grow, compared with brute force."""

import io
import json
import logging
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.search_collection import create_store, make_metadata, open_store
from hypothesis import given, settings
from hypothesis import strategies as st

from misc.searching import building
from misc.searching.building import add_videos, build_index, remove_videos, tune_effort
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index import faiss_store
from misc.searching.index.vector_store import IndexLocation
from model.similarity import TextEmbedding, VideoEmbedding
from utils.errors import InputError

DIM = 16
KS = (1, 10, 100, 1000)


class Topics:
    """Vectors (N, DIM) of length 1 around the centers of topics.

    Attributes:
        topic: of each vector.
        queries: some for each topic, (T, DIM).
    """

    def __init__(self, number, topics, seed=0, num_queries=50, spread=0.3):
        rng = np.random.default_rng(seed)
        centers = rng.normal(size=(topics, DIM))
        self.topic = rng.integers(topics, size=number)
        self.vectors = self._around(centers[self.topic], spread, rng)
        self.queries = self._around(centers[np.arange(num_queries) % topics], spread, rng)

    def _around(self, centers, spread, rng):
        vectors = centers + spread * rng.normal(size=centers.shape)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    @property
    def texts(self):
        return as_texts(self.queries)

    def add(self, store, rows):
        video = VideoEmbedding([torch.from_numpy(self.vectors[rows])], torch.ones(len(rows), 1))
        store.add([f"v{row}" for row in rows], ["1"] * len(rows), video)


def npy(array):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def as_texts(queries):
    return TextEmbedding([torch.from_numpy(queries)], torch.ones(len(queries), 1))


def names(rows):
    return [f"v{row}" for row in rows]


def built(folder, data, kind, rows=None):
    store = create_store(folder, make_metadata(["a"], [DIM], kind=kind))
    data.add(store, np.arange(len(data.vectors)) if rows is None else rows)
    store.optimize()
    store.queries = data.texts
    tune_effort(store)
    store.commit()
    store.close()


def assert_at_least_k(store, data, rows, ks=KS):
    """Check that at least k different videos (or all) are found, with their scores, best first."""
    sims = data.queries @ data.vectors.T
    there = set(rows.tolist())
    for k in ks:
        for row, hits in zip(sims, store.search(data.texts, k), strict=True):
            found = [int(video[1:]) for video, _ in hits]
            assert len(found) == min(k, len(rows)) == len(set(found)) and there.issuperset(found), k
            np.testing.assert_allclose([score for _, score in hits], row[found], atol=1e-5)
            assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


def recall(store, data, rows, k=10):
    """Return the share of the k best videos by brute force; videos with equal scores are interchangeable."""
    sims = np.sort(data.queries @ data.vectors[rows].T, axis=1)[:, -min(k, len(rows))]
    found = store.search(data.texts, k)
    return np.mean([np.mean([score >= least - 1e-5 for _, score in hits]) for least, hits in zip(sims, found, strict=True)])


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
@pytest.mark.parametrize("how", ["by topic", "at random"])
def test_remaining_videos_are_found_after_removals(tmp_path, monkeypatch, caplog, kind, how):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 300)
    data = Topics(2000, 50)
    built(tmp_path, data, kind)
    rows = np.arange(2000)
    store = open_store(tmp_path)
    assert_at_least_k(store, data, rows)
    assert recall(store, data, rows) >= 0.95
    store.close()
    rng = np.random.default_rng(1)
    for share in (0.1, 0.5, 0.9):
        gone = data.topic[rows] >= 50 * (1 - share) if how == "by topic" else rng.random(len(rows)) < share
        remove_videos(IndexLocation("Toy", tmp_path), names(rows[gone]))
        rows = rows[~gone]
        store = open_store(tmp_path)
        assert len(store.videos) == len(rows) > 0
        assert_at_least_k(store, data, rows)
        assert recall(store, data, rows) >= 0.95, share
        store.close()
    assert f"{kind} index of {len(rows)} videos, now exact" in caplog.text


@st.composite
def changes(draw):
    """Draw whether to optimize after the change, which videos to remove, their share, and the number of videos to add."""
    removed = draw(st.sampled_from(["topics", "random", "none"]))
    return draw(st.booleans()), removed, draw(st.floats(0, 1)), draw(st.integers(0, 150))


@given(
    kind=st.sampled_from(["sq8", "ivf", "hnsw"]),
    topics=st.integers(1, 30),
    copies=st.integers(1, 3),
    steps=st.lists(changes(), max_size=4),
    seed=st.integers(0, 1000),
)
@settings(max_examples=10, deadline=None)
def test_any_changes_leave_at_least_k(tmp_path_factory, kind, topics, copies, steps, seed):
    folder, rng = tmp_path_factory.mktemp("changes"), np.random.default_rng(seed)
    data = Topics(900, topics, seed, num_queries=8)
    data.vectors[: len(data.vectors) // copies] = data.vectors[-(len(data.vectors) // copies) :]  # the same video twice
    rows, fresh = np.arange(300), 300
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faiss_store, "MIN_APPROXIMATE", 100)
        built(folder, data, kind, rows)
        for settled, removed, share, added in steps:
            store = open_store(folder, writing=True)
            gone = np.zeros(len(rows), bool)
            if removed != "none":
                gone = data.topic[rows] < share * topics if removed == "topics" else rng.random(len(rows)) < share
            store.remove(names(rows[gone]))
            new = np.arange(fresh, min(fresh + added, 900))
            data.add(store, new)
            rows, fresh = np.concatenate([rows[~gone], new]), fresh + len(new)
            if settled:
                store.optimize()
                tune_effort(store)
                assert not len(rows) or recall(store, data, rows) >= 0.95
            assert_at_least_k(store, data, rows)  # also before it is written
            store.commit()
            store.close()
        store = open_store(folder)
        assert_at_least_k(store, data, rows)
        store.close()


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_an_outdated_index_of_an_earlier_version_is_searched_exactly_with_a_message(tmp_path, monkeypatch, caplog, kind):
    """Its manifest has no queries, and it was not optimized when videos were removed."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 200)
    data = Topics(2000, 40)
    built(tmp_path, data, kind)
    store = open_store(tmp_path, writing=True)
    rows = np.flatnonzero(data.topic < 20)
    store.remove(names(np.flatnonzero(data.topic >= 20)))
    store.queries = None
    store.commit()
    store.close()
    path = tmp_path / "index" / "index.json"
    content = json.loads(path.read_text())
    assert content.pop("queries") is None and content["patterns"]["1"]["kind"] == kind
    path.write_text(json.dumps(content))
    store = open_store(tmp_path)
    assert caplog.text.count("many videos were removed or added since it was built: searching it exactly") == 1
    assert_at_least_k(store, data, rows)
    assert recall(store, data, rows, 100) == 1
    store.close()
    remove_videos(IndexLocation("Toy", tmp_path), names(rows[:1]))  # this change restores the structure of its kind
    caplog.clear()
    store = open_store(tmp_path)
    assert not caplog.text and store._indexes["1"].kind == kind
    assert_at_least_k(store, data, rows[1:])
    store.close()


def test_cells_are_rebuilt_when_an_index_has_grown(tmp_path, monkeypatch):
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 100)
    data = Topics(1000, 20)
    built(tmp_path, data, "ivf", np.arange(200))
    store = open_store(tmp_path, writing=True)
    cells = store._indexes["1"].index.nlist
    data.add(store, np.arange(200, 1000))
    store.optimize()
    assert store._indexes["1"].index.nlist > 2 * cells
    assert_at_least_k(store, data, np.arange(1000))
    store.close()


def test_an_effort_that_finds_too_little_is_raised_to_exact_search(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 100)
    monkeypatch.setattr(building, "TARGET_RECALL", 1.1)  # which no effort reaches
    data = Topics(500, 5)
    built(tmp_path, data, "hnsw")
    store = open_store(tmp_path)
    assert store.effort > building.MAX_EFFORT
    rows = np.arange(500)
    assert_at_least_k(store, data, rows)
    assert recall(store, data, rows, 100) == 1
    store.close()
    monkeypatch.setattr(building, "TARGET_RECALL", 0.5)
    remove_videos(IndexLocation("Toy", tmp_path), ["v0"])
    assert open_store(tmp_path).effort == 1
    monkeypatch.setattr(building, "TARGET_RECALL", 1.1)
    remove_videos(IndexLocation("Toy", tmp_path), ["v1"])
    assert "recall@10 1.000 (no effort up to 64 reaches 1.1: everything is searched, as with --index flat, before 1)" in (
        caplog.text
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", npy(np.ones((3, 4))), npy(np.array([{}])), None])
def test_queries_that_are_damaged_are_refused(tmp_path, content):
    """With the CRC-32 of the manifest, or another one."""
    data = Topics(50, 5)
    built(tmp_path, data, "hnsw")
    (path,) = (tmp_path / "index").glob("queries.*.npy")
    if content is None:
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.write_bytes(content)
        manifest = json.loads((tmp_path / "index" / "index.json").read_text())
        manifest["queries"] |= {"size": len(content), "crc": zlib.crc32(content)}
        (tmp_path / "index" / "index.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"queries\.1\.npy: (damaged|found)"):
        open_store(tmp_path)


def test_queries_are_stored_and_sampled_if_an_earlier_version_has_stored_none(collection, monkeypatch):
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 5)
    embedder = Embedder(Path("model.pth"), torch.device("cpu"))
    videos = Collection("Toy", Path("data/Toy"), embedder.config, embedder.experts)
    build_index(embedder, videos, IndexLocation("Toy"), "hnsw")
    store = IndexLocation("Toy").open(writing=True)
    kept = store.queries
    assert len(kept.weights) == 44
    store.remove(["video0"])
    store.queries = None
    store.commit()
    store.close()
    assert IndexLocation("Toy").open().queries is None
    assert add_videos(embedder, videos, IndexLocation("Toy"), None) == 1
    store = IndexLocation("Toy").open()
    for one, other in zip([*kept.experts, kept.weights], [*store.queries.experts, store.queries.weights], strict=True):
        assert torch.equal(one, other)


def test_one_of_many_equal_videos_is_as_good_as_another(tmp_path, monkeypatch):
    """Copies of a video do not raise the effort of the search."""
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 100)
    data = Topics(2000, 20)
    data.vectors[:] = data.vectors[:20].repeat(100, axis=0)
    built(tmp_path, data, "ivf")
    store = open_store(tmp_path)
    assert store.effort <= 4
    assert_at_least_k(store, data, np.arange(2000))
    store.close()
