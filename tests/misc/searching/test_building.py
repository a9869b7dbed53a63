"""Building and changing an index of a collection, of which features or captions may be missing."""

from pathlib import Path

import numpy as np
import pytest
from helpers.search_collection import CPU, LOCATION, open_new_index, open_searcher

from misc.searching.building import add_videos, remove_videos
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.vector_store import IndexLocation
from utils.errors import InputError


def test_an_updated_index_equals_a_new_one(collection):
    archive, checkpoint = collection
    lists = archive.folder / "all_list.txt"
    lists.write_text("\n".join(archive.ids[:30]))
    open_new_index(checkpoint).close()
    embedder = Embedder(checkpoint, CPU)
    remove_videos(LOCATION, archive.ids[5:10])
    lists.write_text("\n".join(archive.ids))
    grown = Collection("Toy", LOCATION.folder, embedder.config, embedder.experts)
    assert open_searcher(LOCATION, checkpoint).lacking == [*archive.ids[5:10], *archive.ids[30:]]
    assert add_videos(embedder, grown, LOCATION, None) == 19
    assert add_videos(embedder, grown, LOCATION, None) == 0
    changed = open_searcher(LOCATION, checkpoint)
    other = open_new_index(checkpoint, location=IndexLocation("Toy", index_dir=Path("other")))
    one, two = (x.search("a red bird", 44).hits for x in (changed, other))
    assert [hit.id for hit in one] == [hit.id for hit in two]
    np.testing.assert_allclose([hit.similarity for hit in one], [hit.similarity for hit in two], atol=1e-6)
    with pytest.raises(InputError, match="no video 'nobody' in it"):
        add_videos(embedder, grown, LOCATION, ["nobody"])
    with pytest.raises(InputError, match="no video 'nobody' in it"):
        remove_videos(LOCATION, ["nobody"])
    assert len(open_searcher(LOCATION, checkpoint).ids) == 44


def test_an_expert_without_a_file_is_missing_everywhere(collection, caplog):
    archive, checkpoint = collection
    (archive.folder / "rgb.pickle").unlink()
    searcher = open_new_index(checkpoint)
    assert "no file of rgb: missing in every video" in caplog.text
    hits = searcher.search("a red bird", 44).hits
    assert len(hits) == 44 and all("rgb" not in hit.experts for hit in hits)
    bare = [hit for hit in hits if not hit.experts]
    assert bare and all(hit.similarity == 0 for hit in bare)
    for name in ("scene", "audio"):
        (archive.folder / f"{name}.pickle").unlink()
    with pytest.raises(InputError, match="no file of any of the checkpoint's experts"):
        open_new_index(checkpoint)


def test_features_of_another_dimension_are_refused(collection):
    archive, checkpoint = collection
    archive.features["rgb"]["video3"] = np.ones((2, 13), np.float16)
    archive.dump("rgb.pickle", archive.features["rgb"])
    with pytest.raises(InputError, match="rgb.pickle: 'video3' has dimension 13, expected 12"):
        open_new_index(checkpoint)
    assert not LOCATION.has_index()


def test_a_collection_without_captions_or_lists(collection):
    archive, checkpoint = collection
    for name in ("text-toy.pickle", "raw-captions.pkl", *archive.lists):
        (archive.folder / name).unlink()
    searcher = open_new_index(checkpoint, "ivf")
    assert set(searcher.ids) == set(archive.ids)
    hits = searcher.search("a red bird", 3).hits
    assert len(hits) == 3 and hits[0].captions == []
    assert searcher.v2t("video0") == []


@pytest.mark.parametrize("kind", ["sq8", "ivf", "hnsw"])
def test_a_build_says_how_much_an_approximate_index_finds(collection, caplog, kind):
    caplog.set_level("INFO")
    open_new_index(collection[1], kind)
    assert f"{kind}: recall@10 1.000 against exact search with 44 of its captions as queries (effort 1)" in caplog.text
