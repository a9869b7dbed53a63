"""An index with windows of long videos: built, changed, and searched, compared with a new one."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.moments import make_moments, write_moments
from helpers.search_collection import CPU, LOCATION, open_searcher
from helpers.toy_archive import EXPERTS

from misc.searching.building import add_videos, build_index, remove_videos
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.vector_store import IndexLocation
from misc.searching.windows import Windows, item_id
from model.similarity import pairwise_similarity
from utils.errors import InputError

WINDOWS = Windows()
OTHER = IndexLocation("Toy", index_dir=Path("other"))


def random_moments(seed, length):
    rng = np.random.default_rng(seed)
    times = np.arange(1.0, length, 2.5)
    return {
        name: make_moments(times, rng.normal(size=(len(times), EXPERTS[name]["dim"])).astype("f2"))
        for name in ("rgb", "audio")
    }


def write(archive, seeds, changed=()):
    """Write moments of some videos, of 35 or more seconds, and versions of all."""
    videos = {video: (35.0 + 10 * i, random_moments(seed, 35 + 10 * i)) for i, (video, seed) in enumerate(seeds.items())}
    versions = {video: f"{video in changed}" for video in archive.ids}
    write_moments(archive.folder, videos, versions)


def build(checkpoint, location=LOCATION, windows=WINDOWS, kind="flat"):
    embedder = Embedder(checkpoint, CPU)
    build_index(
        embedder, Collection("Toy", LOCATION.folder, embedder.config, embedder.experts), location, kind, windows=windows
    )
    return open_searcher(location, checkpoint)


def answers(searcher, query="a red bird"):
    return [
        (hit.id, round(hit.similarity, 5), [(x.start, x.end) for x in hit.moments])
        for hit in searcher.search(query, 44).hits
    ]


def test_a_video_is_found_by_its_best_window(collection):
    archive, checkpoint = collection
    write(archive, {"video3": 1, "video8": 2})
    searcher, whole = build(checkpoint), build(checkpoint, OTHER, None)
    assert searcher.ids == archive.ids == whole.ids and searcher.lacking == searcher.stale == []
    hits, others = ({hit.id: hit for hit in x.search("a red bird", 44).hits} for x in (searcher, whole))
    assert hits.keys() == others.keys() == set(archive.ids)
    for video in archive.ids:
        if video not in ("video3", "video8"):
            assert hits[video].similarity == pytest.approx(others[video].similarity, abs=1e-6) and not hits[video].moments
    embedder, (query, _) = Embedder(checkpoint, CPU), searcher._embed_query("a red bird")
    for video, count in (("video3", 4), ("video8", 5)):
        (batch,) = searcher.items.load_items([video], 64)
        assert len(batch.ids) == count
        scores = pairwise_similarity(query, embedder.embed_videos(batch), False)[0]
        best = int(scores.argmax())
        assert hits[video].similarity == pytest.approx(float(scores[best]), abs=1e-6)
        moment = hits[video].moments[0]
        assert batch.ids[best] == item_id(video, (moment.start, moment.end))
        assert hits[video].experts == [
            x for x, bit in zip(embedder.experts, batch.available[best], strict=True) if bit == "1"
        ]
    similar = searcher.similar("video3", 5).hits
    assert "video3" not in [hit.id for hit in similar] and len(similar) == 5
    assert searcher.get_hit("video8").moments == [] and sorted(searcher.get_hit("video8").experts) == ["audio", "rgb"]


def test_an_updated_index_equals_a_new_one(collection, caplog):
    archive, checkpoint = collection
    write(archive, {"video3": 1, "video8": 2})
    build(checkpoint).close()
    remove_videos(LOCATION, ["video8", "video1"])
    embedder = Embedder(checkpoint, CPU)
    assert open_searcher(LOCATION, checkpoint).lacking == ["video1", "video8"]
    with pytest.raises(InputError, match="no video 'video8' in it, expected one of its 42"):
        remove_videos(LOCATION, ["video8"])
    write(archive, {"video3": 5, "video9": 6}, changed=("video3", "video9"))  # other moments, and one that gets some
    collection_now = Collection("Toy", LOCATION.folder, embedder.config, embedder.experts)
    searcher = open_searcher(LOCATION, checkpoint)
    assert searcher.stale == ["video3", "video9"]
    searcher.close()
    assert add_videos(embedder, collection_now, LOCATION) == 4
    assert add_videos(embedder, collection_now, LOCATION) == 0
    assert add_videos(embedder, collection_now, LOCATION, ["video9"]) == 1  # replaces its windows
    updated, new = open_searcher(LOCATION, checkpoint), build(checkpoint, OTHER)
    assert sorted(answers(updated)) == sorted(answers(new))
    assert updated.lacking == updated.stale == []
    (archive.folder / "all_list.txt").write_text("".join(f"{x}\n" for x in archive.ids if x != "video9"))
    gone = Collection("Toy", LOCATION.folder, embedder.config, embedder.experts)
    add_videos(embedder, gone, LOCATION)
    assert "video9" not in open_searcher(LOCATION, checkpoint).ids


@pytest.mark.parametrize("kind", ["sq8", "ivf", "hnsw"])
def test_an_approximate_index_has_windows_too(collection, kind):
    archive, checkpoint = collection
    write(archive, {"video3": 1, "video8": 2})
    assert answers(build(checkpoint, kind=kind)) == answers(build(checkpoint, OTHER))


def test_an_index_of_an_earlier_version_has_whole_videos(collection):
    archive, checkpoint = collection
    write(archive, {"video3": 1})
    whole = answers(build(checkpoint, windows=None))
    path = LOCATION.index_folder / "index.json"
    content = json.loads(path.read_text())
    assert content["about"].pop("windows") is None
    path.write_text(json.dumps(content))
    searcher = open_searcher(LOCATION, checkpoint)
    assert answers(searcher) == whole and searcher.metadata.windows is None
    embedder = Embedder(checkpoint, CPU)
    collection_now = Collection("Toy", LOCATION.folder, embedder.config, embedder.experts)
    remove_videos(LOCATION, ["video3"])
    add_videos(embedder, collection_now, LOCATION)
    assert sorted(answers(open_searcher(LOCATION, checkpoint))) == sorted(whole)


def test_windows_are_kept_with_the_index_and_said(collection, caplog):
    archive, checkpoint = collection
    caplog.set_level("INFO")
    write(archive, {"video3": 1, "video8": 2})
    searcher = build(checkpoint, windows=Windows(window=20, stride=10))
    assert searcher.metadata.windows == Windows(window=20, stride=10)
    assert "44 videos (7 windows of long ones) in" in caplog.text
