"""Videos by their best window, compared with loops over all windows."""

import math

import numpy as np
import pytest
import torch
from helpers.exact_search import EXACT, embedded, in_double
from helpers.properties import examples
from helpers.search_collection import create_store, make_metadata, open_store
from hypothesis import given
from hypothesis import strategies as st

from misc.searching.index.query_bank import BankMetadata, QueryBank
from misc.searching.windows import MAX_MOMENTS, SEPARATOR, item_id
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity


def make_ids(number, per_video):
    """Return ids of items: videos with so many windows each, and whole videos in between."""
    ids = []
    for i in range(number):
        video, window = divmod(i, per_video)
        ids.append(
            f"v{video}" if per_video == 1 or video % 3 == 2 and not window else item_id(f"v{video}", (window, window + 1.0))
        )
    return ids


def fill(folder, case, ids, bank=None):
    text, video, dims = case
    store = create_store(folder, make_metadata([f"e{i}" for i in range(len(dims))], dims))
    store.bank = bank
    has = ["".join(str(int(x)) for x in row) for row in video.available]
    store.add(ids, has, video)
    if bank is not None:
        bank.update(store)
    store.commit()
    store.close()
    return open_store(folder)


def one(text, t):
    return TextEmbedding([x[t : t + 1] for x in text.experts], text.weights[t : t + 1])


def best_by_loop(scores, ids, k):
    """Return the best k videos, each as (video, items best first), by a plain loop."""
    by_video = {}
    for item in sorted(range(len(ids)), key=lambda i: (-scores[i], i)):
        by_video.setdefault(ids[item].split(SEPARATOR)[0], []).append(item)
    return list(by_video.items())[:k]


@examples(40)
@given(embedded(), st.integers(1, 9), st.integers(1, 12))
def test_a_video_has_the_score_of_its_best_window(tmp_path_factory, case, per_video, k):
    text, video, _ = case
    ids = make_ids(len(video.available), per_video)
    store = fill(tmp_path_factory.mktemp("store"), case, ids)
    sims = pairwise_similarity(in_double(text), in_double(video), False).numpy()
    for t, row in enumerate(sims):
        found = store.search_videos(one(text, t), k)
        expected = best_by_loop(row, ids, k)
        assert len(found) == len({hit.video for hit in found}) == len(expected)
        np.testing.assert_allclose([hit.score for hit in found], [row[items[0]] for _, items in expected], **EXACT)
        for hit in found:
            items = [i for i, item in enumerate(ids) if item.split(SEPARATOR)[0] == hit.video]
            assert hit.score == pytest.approx(max(row[i] for i in items), abs=2e-6) and hit.item in [ids[i] for i in items]
            assert len(hit.moments) <= MAX_MOMENTS
            for moment in hit.moments:
                item = ids.index(item_id(hit.video, (moment.start, moment.end)))
                assert moment.score == pytest.approx(row[item], abs=2e-6)
            assert [x.score for x in hit.moments] == sorted((x.score for x in hit.moments), reverse=True)
    store.close()


def test_windows_of_one_video_do_not_displace_others(tmp_path):
    """All 500 windows of a video score higher than 3 other videos, of which each is found."""
    ids = [*(item_id("long", (float(i), i + 1.0)) for i in range(500)), "a", "b", "c"]
    vectors = torch.zeros(503, 2)
    vectors[:500, 0] = torch.linspace(2, 3, 500)
    vectors[500:, 0] = torch.tensor([1.0, 0.5, 0.1])
    text = TextEmbedding([torch.tensor([[1.0, 0.0]])], torch.ones(1, 1))
    store = fill(tmp_path, (text, VideoEmbedding([vectors], torch.ones(503, 1)), [2]), ids)
    found = store.search_videos(text, 3)
    assert [(hit.video, round(hit.score, 5)) for hit in found] == [("long", 3), ("a", 1), ("b", 0.5)]
    assert [moment.start for moment in found[0].moments] == [499, 498, 497] and found[1].moments == []
    assert [hit.video for hit in store.search_videos(text, 10)] == ["long", "a", "b", "c"]
    store.close()


@examples(25)
@given(embedded(), st.sampled_from(["inverted_softmax", "dynamic"]), st.integers(1, 5), st.integers(0, 2**32))
def test_a_query_bank_corrects_each_window(tmp_path_factory, case, method, per_video, seed):
    """A video has the highest corrected score of its windows, and windows are what may be hubs."""
    text, video, dims = case
    rng = np.random.default_rng(seed)
    make = lambda rows, cols: torch.from_numpy(rng.normal(size=(rows, cols)).astype(np.float32))  # noqa: E731
    captions = TextEmbedding([make(6, dim) for dim in dims], make(6, len(dims)).softmax(dim=1))
    bank = QueryBank(BankMetadata(method=method, beta=5.0, dataset="Toy"), captions, video)
    ids = make_ids(len(video.available), per_video)
    store = fill(tmp_path_factory.mktemp("store"), case, ids, bank)
    of_bank = pairwise_similarity(in_double(captions), in_double(video), False).numpy()
    sims = pairwise_similarity(in_double(text), in_double(video), False).numpy()
    hubs = {i for row in of_bank for i in np.flatnonzero(row > row.max() - 2e-5)}
    for t, row in enumerate(sims):
        best = np.flatnonzero(row > row.max() - 2e-5)
        certain = all(len(np.flatnonzero(x > x.max() - 2e-5)) == 1 for x in [row, *of_bank])
        if not certain:
            continue
        found = store.search_videos(one(text, t), 4, with_bank=True)
        if method == "dynamic" and best[0] not in hubs:
            assert all(hit.normalized is None for hit in found)
            continue
        offsets = [math.log(sum(math.exp(5 * s) for s in of_bank[:, v]) / len(of_bank)) / 5 for v in range(len(ids))]
        expected = best_by_loop(row - offsets, ids, 4)
        np.testing.assert_allclose(
            [hit.normalized for hit in found], [(row - offsets)[items[0]] for _, items in expected], atol=2e-5
        )
        for hit in found:
            assert hit.score == pytest.approx(row[ids.index(hit.item)], abs=2e-5)
    store.close()
