"""The same index in Milvus, here in a local file; the code is that for a server."""

import subprocess
import sys

import pytest
from helpers.changed_collection import check_changes_are_updated
from helpers.exact_search import check_exact, embedded
from helpers.paths import ROOT
from helpers.properties import examples
from helpers.search_collection import create_store, make_metadata, open_store, random_texts, random_videos, select_videos
from hypothesis import given
from hypothesis import strategies as st

import misc.search as search_command
from misc.searching.index.milvus_store import MilvusStore
from misc.searching.windows import Windows, item_id
from model.similarity import TextEmbedding, pairwise_similarity
from utils.errors import InputError

DIMS = [6, 1]
METADATA = make_metadata(["a", "b"], DIMS)
VIDEOS = random_videos(60, DIMS)
TEXTS = random_texts(3, DIMS)


def fill(folder, videos, metadata=METADATA):
    store = create_store(folder, metadata, milvus=True)
    try:
        store.add(*videos)
        store.commit()
    finally:
        store.close()


def assert_holds(folder, numbers):
    """Check that the index has these videos and finds them as brute force does."""
    store = open_store(folder, milvus=True)
    assert sorted(store.videos.columns.ids) == sorted(f"v{i}" for i in numbers)
    ids, _, video = select_videos(VIDEOS, numbers)
    sims = pairwise_similarity(TEXTS, video)
    for row, hits in zip(sims, store.search(TEXTS, 100), strict=True):
        assert dict(hits) == pytest.approx({name: float(x) for name, x in zip(ids, row, strict=True)}, abs=1e-6)
    store.close()


def test_videos_are_added_and_removed(tmp_path):
    fill(tmp_path, select_videos(VIDEOS, range(50)))
    assert MilvusStore.exists(str(tmp_path / "milvus.db"), "Toy")
    store = open_store(tmp_path, milvus=True, writing=True)
    store.remove(VIDEOS[0][:20])
    store.add(*select_videos(VIDEOS, range(45, 60)))
    store.commit()
    store.close()
    assert_holds(tmp_path, range(20, 60))


def test_a_build_that_is_killed_leaves_the_old_index(tmp_path):
    fill(tmp_path, select_videos(VIDEOS, range(30)))
    store = create_store(tmp_path, METADATA, milvus=True)
    store.add(*select_videos(VIDEOS, range(40, 60)))
    store.close()
    assert_holds(tmp_path, range(30))
    fill(tmp_path, select_videos(VIDEOS, range(50, 60)))
    assert_holds(tmp_path, range(50, 60))
    store = open_store(tmp_path, milvus=True)
    assert {generation for generation, _ in store._list_tables()} == {2}  # no other generation remains
    store.close()


def test_windows_of_long_videos_are_found_as_in_files(tmp_path):
    """Windows are kept when the index is opened, and are added and removed with their video."""
    _, has, video = VIDEOS
    ids = [item_id(f"v{i // 8}", (float(i % 8), i % 8 + 1.0)) if i < 48 else f"v{i}" for i in range(60)]
    metadata = METADATA.model_copy(update={"windows": Windows(window=1, stride=1)})
    found = []
    for milvus in (True, False):
        store = create_store(tmp_path, metadata, milvus)
        store.add(ids, has, video)
        store.remove(store.videos.by_video()["v1"])
        store.commit()
        store.close()
        store = open_store(tmp_path, milvus)
        assert store.metadata.windows == metadata.windows and len(store.videos.by_video()) == 17
        query = TextEmbedding([x[:1] for x in TEXTS.experts], TEXTS.weights[:1])
        found.append(store.search_videos(query, 12))
        store.close()
    for one, other in zip(*found, strict=True):
        assert (one.video, one.item) == (other.video, other.item) and one.score == pytest.approx(other.score, abs=1e-6)
        assert [(x.start, x.end) for x in one.moments] == [(x.start, x.end) for x in other.moments]


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_kinds(tmp_path, kind):
    dims = [6, 4]
    videos, texts = random_videos(300, dims), random_texts(3, dims)
    fill(tmp_path, videos, make_metadata(["a", "b"], dims, kind=kind))
    store = open_store(tmp_path, milvus=True)
    found = store.search(texts, 10)
    best = [{f"v{i}" for i in row} for row in pairwise_similarity(texts, videos[2]).topk(10).indices.tolist()]
    assert all(len(a & {name for name, _ in b}) >= 9 for a, b in zip(best, found, strict=True))
    store.close()


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_all_vectors_are_read_where_milvus_finds_fewer_than_asked_for(tmp_path, monkeypatch, kind):
    """Servers may do so when most of the vectors in cells or a graph were deleted."""
    dims = [6]
    videos, texts = random_videos(1200, dims, share=1), random_texts(3, dims)
    fill(tmp_path, videos, make_metadata(["a"], dims, kind=kind))
    store = open_store(tmp_path, milvus=True)
    search = store._client.search
    monkeypatch.setattr(store._client, "search", lambda *args, **options: [hits[:3] for hits in search(*args, **options)])
    sims = pairwise_similarity(texts, videos[2])
    for k in (1, 10, 1000):
        for row, hits in zip(sims, store.search(texts, k), strict=True):
            best = row.topk(k)
            assert [video for video, _ in hits] == [f"v{i}" for i in best.indices.tolist()]
            assert [score for _, score in hits] == pytest.approx(best.values.tolist(), abs=1e-6)
    store.close()


def test_videos_added_or_removed_after_opening_are_ignored(tmp_path):
    """Changes of another process in Milvus take effect at once; an open store only knows the videos that it has read."""
    fill(tmp_path, select_videos(VIDEOS, range(40)))
    reader = open_store(tmp_path, milvus=True)
    writer = open_store(tmp_path, milvus=True, writing=True)
    writer.remove(VIDEOS[0][:10])
    writer.add(*select_videos(VIDEOS, range(40, 60)))
    writer.commit()
    without = [i for i in range(10) if "1" not in VIDEOS[1][i]]  # not searched: all score 0
    for hits in reader.search(TEXTS, 60):
        assert sorted(video for video, _ in hits) == sorted(f"v{i}" for i in [*without, *range(10, 40)])
    reader.close()
    writer.close()


def test_a_missing_index_or_file_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no index, expected one: misc/search.py build"):
        open_store(tmp_path, milvus=True)
    for uri in ("x.txt", "nowhere/x.db"):
        with pytest.raises(InputError, match="expected a server .*, or a file .db in an existing folder"):
            MilvusStore(uri, "Toy", tmp_path)
    fill(tmp_path, VIDEOS)
    store = open_store(tmp_path, milvus=True, writing=True)
    with pytest.raises(InputError, match="more than 65535 bytes"):
        store.add(["v" * 70_000], ["11"], select_videos(VIDEOS, [0])[2])
    store.close()


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(InputError, match="'pymilvus': not installed, expected it: pip install pymilvus milvus-lite"):
        MilvusStore(str(tmp_path / "milvus.db"), "Toy", tmp_path)


def test_two_collections_share_a_file(tmp_path):
    uri = str(tmp_path / "milvus.db")
    for name, numbers in (("My-Videos", range(5)), ("My.Videos", range(5, 12)), ("映画", range(3))):
        store = MilvusStore(uri, name, tmp_path, METADATA)
        store.add(*select_videos(VIDEOS, numbers))
        store.commit()
        store.close()
    for name, number in (("My-Videos", 5), ("My.Videos", 7), ("映画", 3)):
        store = MilvusStore(uri, name, tmp_path)
        assert len(store.videos) == number
        store.close()
    assert not MilvusStore.exists(uri, "My_Videos")


def test_the_command_with_a_local_file(collection, call):
    import misc.search as search_command

    answers = []
    for place in ([], ["--uri", "milvus.db"]):
        place = [*place, "--channels", "trained"]
        code, out, err = call(search_command, "a red bird", "--resume", "model.pth", "--name", "Toy", "-k", 44, *place)
        assert code == 0, err
        answers.append([line for line in out.splitlines() if line[:6].strip()])
    assert answers[0] == answers[1]
    code, out, _ = call(search_command, "info", "--name", "Toy", "--uri", "milvus.db")
    assert code == 0 and "milvus.db, Toy: flat index of Toy, 44 videos" in out


def test_processes_that_did_not_build_the_index_can_use_it(collection):
    place = ["--name", "Toy", "--uri", "milvus.db"]
    similar = ["--video", "video3", "--resume", "model.pth", "--json", *place]
    answers = []
    for arguments in (similar, similar, ["remove", *place, "video5"], ["info", *place]):
        command = [sys.executable, ROOT / "misc/search.py", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
        answers.append(done.stdout)
    assert answers[0] == answers[1] != "" and "flat index of Toy, 43 videos" in answers[3]


@given(case=embedded(), l2renorm=st.booleans(), k=st.integers(1, 50))
@examples(4)
def test_any_index_returns_what_brute_force_does(tmp_path_factory, case, l2renorm, k):
    check_exact(tmp_path_factory.mktemp("exact"), case, l2renorm, k, milvus=True)


def test_changed_and_removed_videos_are_reported_and_updated_by_add(collection, call):
    def search(*arguments):
        code, out, err = call(search_command, *arguments)
        assert code == 0, err
        return out, err

    check_changes_are_updated(collection, search, "--uri", "index.db")
