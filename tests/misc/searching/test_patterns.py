"""Results of an index are those of the model's score over all videos."""

import numpy as np
import pytest
import torch
from helpers.model_variants import SWITCHES, make_batch, make_model
from helpers.search_collection import create_store, make_metadata, open_store
from hypothesis import given, settings
from hypothesis import strategies as st

from misc.searching.faiss_index import FaissIndex
from misc.searching.patterns import as_query, merge_candidates
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity

EXACT = {"rtol": 0, "atol": 2e-6}


def assert_best(found, sims, ids, k):
    """Check that `found` has the k best videos by `sims` (T, V) per query, best first, with these similarities."""
    for row, hits in zip(sims.numpy(), found, strict=True):
        number = {video: i for i, video in enumerate(ids)}
        places = [number[video] for video, _ in hits]
        assert len(set(places)) == len(hits) == min(k, len(ids))
        scores = np.array([score for _, score in hits])
        np.testing.assert_allclose(scores, row[places], **EXACT)
        np.testing.assert_allclose(scores, np.sort(row)[::-1][: len(hits)], **EXACT)
        assert hits == sorted(hits, key=lambda hit: (-hit[1], number[hit[0]]))


@st.composite
def embedded(draw, most_videos=40):
    """Draw texts, and videos with random availability; some are equal or without any expert, and weights may vanish."""
    dims = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    num_videos, num_texts = draw(st.integers(1, most_videos)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool = rng.normal(size=(max(1, num_videos // draw(st.integers(1, 4))), sum(dims))).astype(np.float32)
    videos = torch.from_numpy(pool[rng.integers(len(pool), size=num_videos)])
    available = torch.from_numpy((rng.random((num_videos, len(dims))) < draw(st.sampled_from([0.2, 0.5, 0.9]))).astype("f4"))
    texts = torch.from_numpy(rng.normal(size=(num_texts, sum(dims))).astype(np.float32))
    weights = torch.from_numpy(rng.normal(scale=draw(st.sampled_from([1, 80])), size=(num_texts, len(dims))).astype("f4"))
    text = TextEmbedding(list(texts.split(dims, dim=1)), weights.softmax(dim=1))
    return text, VideoEmbedding(list(videos.split(dims, dim=1)), available), dims


def in_double(embedding):
    experts, other = embedding
    return type(embedding)([x.double() for x in experts], other.double())


def check_exact(folder, case, l2renorm, k, milvus=False):
    text, video, dims = case
    ids = [f"v{i}" for i in range(len(video.available))]
    has = ["".join(str(int(x)) for x in row) for row in video.available]
    metadata = make_metadata([f"e{i}" for i in range(len(dims))], dims, l2renorm=l2renorm)
    store = create_store(folder, metadata, milvus)
    half = len(ids) // 2
    for part in (slice(half), slice(half, None)):
        chosen = VideoEmbedding([x[part] for x in video.experts], video.available[part])
        store.add(ids[part], has[part], chosen)
    store.commit()
    store.close()
    store = open_store(folder, milvus)
    for queries in (text, as_query(video)):
        sims = pairwise_similarity(in_double(queries), in_double(video), l2renorm)
        assert_best(store.search(queries, k), sims, ids, k)
    store.close()


@given(case=embedded(), l2renorm=st.booleans(), k=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_faiss_returns_what_brute_force_does(tmp_path_factory, case, l2renorm, k):
    check_exact(tmp_path_factory.mktemp("exact"), case, l2renorm, k)


@given(case=embedded(), l2renorm=st.booleans(), k=st.integers(1, 50))
@settings(max_examples=8, deadline=None)
def test_milvus_returns_what_brute_force_does(tmp_path_factory, case, l2renorm, k):
    check_exact(tmp_path_factory.mktemp("exact"), case, l2renorm, k, milvus=True)


@pytest.mark.parametrize("more", [{}, {"keep_missing_modalities": True}, {"test_caption_mode": "avg"}], ids=str)
@pytest.mark.parametrize("variant", SWITCHES)
def test_every_variant_of_the_model(tmp_path, variant, more):
    model = make_model(variant, **more)
    batch = make_batch(1, 50, 1, missing=0.6)
    with torch.inference_mode():
        text = model.embed_text(batch["text"], batch["word_mask"])
        video = model.embed_video(batch["experts"], batch["ind"], batch["frame_masks"])
        sims = model.score(text, video)
    experts = model.modalities
    has = ["".join(str(int(batch["ind"][name][i])) for name in experts) for i in range(50)]
    assert len(set(has)) > 1 and ("0" * len(experts) in has or len(experts) > 1)
    dims = [x.shape[1] for x in video.experts]
    metadata = make_metadata(experts, dims, keep_missing=model.keep_missing_modalities, l2renorm=model.l2renorm)
    ids = [f"v{i}" for i in range(50)]
    store = create_store(tmp_path, metadata)
    store.add(ids, has, video)
    scale = max(1.0, float(sims.abs().max()))  # the plain concatenation is not normalized
    found = [[(name, score / scale) for name, score in row] for row in store.search(text, 10)]
    assert_best(found, sims / scale, ids, 10)
    store.close()


def test_many_equal_videos_are_in_their_order(tmp_path):
    metadata = make_metadata(["a", "b"], [3, 4])
    video = VideoEmbedding([torch.ones(500, 3), torch.ones(500, 4)], torch.ones(500, 2))
    ids = [f"v{i}" for i in np.random.default_rng(0).permutation(500)]
    store = create_store(tmp_path, metadata)
    store.add(ids, ["11"] * 500, video)
    for num_queries in (1, 30):  # FAISS searches large batches in another way
        text = TextEmbedding([torch.ones(num_queries, 3), torch.ones(num_queries, 4)], torch.full((num_queries, 2), 0.5))
        for k in (1, 10, 200, 600):
            for row in store.search(text, k):
                assert [video for video, _ in row] == ids[:k]
    store.close()


class Contrary:
    """An index that returns vectors with equal scores in descending order of their numbers."""

    def __init__(self, scores):
        self._scores = scores

    def search(self, queries, n):
        order = np.lexsort((-np.arange(len(self._scores)), -self._scores))[:n]
        return np.tile(self._scores[order], (len(queries), 1)), np.tile(order, (len(queries), 1))


def test_all_ties_with_the_last_are_considered():
    index = FaissIndex("flat", Contrary(np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 0, 0], np.float32)), range(12))
    scores, numbers = index.search(np.zeros((2, 3), np.float32), 2, effort=1)
    assert [number for number, _ in merge_candidates([(scores, numbers)], 2)[1]] == [9, 0]
