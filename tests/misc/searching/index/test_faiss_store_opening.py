"""Opening an index in a folder: beside a process that replaces it, with foreign vectors, and after removals."""

import numpy as np
import pytest
import torch
from helpers.search_collection import create_store, make_metadata, open_store, random_texts, random_videos, select_videos

from misc.searching.index import faiss_store
from misc.searching.index.faiss_store import FaissStore
from model.similarity import pairwise_similarity
from utils.errors import InputError

DIMS = [6, 4]
VIDEOS = random_videos(60, DIMS, share=1)
TEXTS = random_texts(5, DIMS)


def build(folder, chosen, kind="flat"):
    store = create_store(folder, make_metadata(["a", "b"], DIMS, kind=kind))
    store.add(*select_videos(VIDEOS, chosen))
    store.optimize()
    store.commit()
    store.close()


def test_an_index_that_is_replaced_while_it_is_opened_is_read_anew(tmp_path, monkeypatch):
    """The files are deleted after the manifest was read, once and twice."""
    build(tmp_path, range(20))
    read_manifest, replacements = FaissStore._read_manifest, [range(30), range(40)]

    def read_slowly(self):
        manifest = read_manifest(self)
        if replacements:
            monkeypatch.setattr(FaissStore, "_read_manifest", read_manifest)
            build(tmp_path, replacements.pop(0))
            monkeypatch.setattr(FaissStore, "_read_manifest", read_slowly)
        return manifest

    monkeypatch.setattr(FaissStore, "_read_manifest", read_slowly)
    assert open_store(tmp_path).videos.columns.ids == VIDEOS[0][:40]


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_vectors_of_videos_that_the_list_lacks_are_refused(tmp_path, monkeypatch, kind):
    """A search would find them, without a name to show."""
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 10)
    build(tmp_path, range(40), kind)
    store = open_store(tmp_path, writing=True)
    store._insert("11", ["nobody"], [1000], np.ones((1, sum(DIMS)), np.float32))
    store.commit()
    store.close()
    with pytest.raises(InputError, match=r"11\.2\.faiss: not the 40 videos of its pattern; rebuild the index"):
        open_store(tmp_path)


@pytest.mark.parametrize("kind", ["flat", "sq8", "ivf", "hnsw"])
def test_a_video_that_is_added_after_a_removal_has_its_own_score(tmp_path, monkeypatch, kind):
    """A graph keeps the vectors of removed videos, which must not be taken for those of new ones."""
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 10)
    build(tmp_path, range(50), kind)
    store = open_store(tmp_path, writing=True)
    store.remove(VIDEOS[0][45:50])
    store.commit()
    store.close()
    store = open_store(tmp_path, writing=True)
    store.add(*select_videos(VIDEOS, range(50, 60)))
    store.commit()
    store.close()
    chosen = [*range(45), *range(50, 60)]
    expected = pairwise_similarity(TEXTS, select_videos(VIDEOS, chosen)[2])
    for exact in (True, False):
        for row, hits in zip(expected, open_store(tmp_path).search(TEXTS, 55, exact), strict=True):
            assert sorted(video for video, _ in hits) == sorted(f"v{i}" for i in chosen)
            found = torch.tensor([dict(hits)[f"v{i}"] for i in chosen])
            torch.testing.assert_close(found, row, atol=1e-5, rtol=1e-5)
