"""An approximate index after removals: removed videos do not fill it forever."""

import pytest
from helpers.search_collection import create_store, make_metadata, open_store, random_texts, random_videos, select_videos

from misc.searching.index import faiss_store

DIMS = [16]
VIDEOS = random_videos(600, DIMS, share=1)
TEXTS = random_texts(5, DIMS)


@pytest.mark.parametrize("kind", ["flat", "sq8", "ivf", "hnsw"])
def test_an_index_becomes_as_small_as_a_new_one_of_the_videos_that_are_left(tmp_path, monkeypatch, kind):
    """The graph is rebuilt for that."""
    monkeypatch.setattr(faiss_store, "MIN_APPROXIMATE", 100)
    sizes = []
    for name, chosen in (("grown", range(600)), ("new", range(400, 600))):
        store = create_store(tmp_path / name, make_metadata(["a"], DIMS, kind=kind))
        store.add(*select_videos(VIDEOS, chosen))
        store.optimize()
        store.commit()
        store.close()
        store = open_store(tmp_path / name, writing=True)
        store.remove(VIDEOS[0][: 400 if name == "grown" else 0])
        store.optimize()
        store.commit()
        sizes.append(store.size())
        assert all(len(hits) == 200 for hits in store.search(TEXTS, 200))
        store.close()
    assert sizes[0] < 1.1 * sizes[1]
