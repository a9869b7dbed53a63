"""Search in compressed vectors, against products of the exact ones."""

from pathlib import Path

import numpy as np
import pytest
from helpers.properties import examples
from helpers.search_collection import create_store, make_metadata, open_store, random_texts, random_videos
from hypothesis import given
from hypothesis import strategies as st

from misc.searching.building import build_index
from misc.searching.index import compressed_vectors
from misc.searching.index.compressed_vectors import CompressedVectors
from misc.searching.index.vector_store import IndexLocation
from model.similarity import pairwise_similarity
from utils.errors import InputError


@examples(60)
@given(st.data())
def test_the_best_have_their_exact_scores(data):
    number, queries, dim, k = (data.draw(st.integers(1, top)) for top in (400, 5, 40, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    scales = 10.0 ** rng.uniform(-3, 3, size=(2, dim))  # of dimensions
    vectors = (rng.normal(size=(number, dim)) * scales[0]).astype(np.float32)
    texts = (rng.normal(size=(queries, dim)) * scales[1]).astype(np.float32)
    vectors[:, data.draw(st.integers(0, dim - 1))] = 0
    texts[0] *= data.draw(st.integers(0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compressed_vectors, "CHUNK_BYTES", data.draw(st.sampled_from([1, 1000, 1 << 24])))
        scores, positions = CompressedVectors(vectors).search(texts, k)
    products = texts.astype(np.float64) @ vectors.T
    for row, found, exact in zip(scores, positions, products, strict=True):
        found = found[found >= 0]
        assert len(found) == len(set(found.tolist())) >= min(k, number)
        tolerance = 1e-5 * (np.abs(texts).max() * np.abs(vectors).max() * dim + 1)
        np.testing.assert_allclose(row[: len(found)], exact[found], atol=tolerance)
        np.testing.assert_allclose(row[: min(k, number)], np.sort(exact)[::-1][:k], atol=tolerance)


def test_only_a_few_vectors_are_scored_exactly():
    rng = np.random.default_rng(0)
    vectors, texts = rng.normal(size=(20_000, 64)).astype(np.float32), rng.normal(size=(4, 64)).astype(np.float32)
    _, positions = CompressedVectors(vectors).search(texts, 10)
    assert 10 <= (positions >= 0).sum(axis=1).max() <= 60
    vectors[:] = vectors[0]  # all scores are equal
    assert CompressedVectors(vectors).search(texts, 10)[0].shape == (4, 256)
    assert CompressedVectors(vectors).search(texts, 100)[0].shape == (4, 400)


def test_vectors_below_the_lowest_score_of_interest_may_be_missing_and_no_others():
    rng = np.random.default_rng(1)
    vectors, texts = rng.normal(size=(5000, 32)).astype(np.float32), rng.normal(size=(3, 32)).astype(np.float32)
    products = texts @ vectors.T
    lowest = np.sort(products, axis=1)[:, -3]
    _, positions = CompressedVectors(vectors).search(texts, 50, lowest)
    for found, exact, bound in zip(positions, products, lowest, strict=True):
        found = set(found[found >= 0].tolist())
        assert set(np.flatnonzero(exact >= bound).tolist()) <= found and len(found) < 20


def test_scores_that_are_no_numbers_are_left_out():
    vectors = np.array([[1.0, 0], [np.nan, 0], [3.0, 0], [np.nan, 1], [2.0, 0]], np.float32)
    scores, positions = CompressedVectors(vectors).search(np.array([[1.0, 0.0]], np.float32), 5)
    assert positions[positions >= 0].tolist() == [2, 4, 0] and scores[0, :3].tolist() == [3, 2, 1]


def test_an_index_finds_what_the_score_of_the_model_finds(tmp_path):
    dims = [12, 8, 6]
    videos, texts = random_videos(3000, dims, share=0.75), random_texts(20, dims)
    store = create_store(tmp_path, make_metadata(["a", "b", "c"], dims, kind="sq8"))
    store.add(*videos)
    store.optimize()
    store.commit()
    store.close()
    reopened = open_store(tmp_path)
    best = pairwise_similarity(texts, videos[2]).sort(dim=1, descending=True)
    for exact in (False, True):
        for values, row, hits in zip(best.values, best.indices, reopened.search(texts, 30, exact=exact), strict=True):
            assert [name for name, _ in hits] == [f"v{i}" for i in row[:30].tolist()]
            np.testing.assert_allclose([score for _, score in hits], values[:30], atol=1e-5)


def test_an_index_that_is_read_has_its_vectors_in_the_file(tmp_path):
    store = create_store(tmp_path, make_metadata(["a"], [64], kind="sq8"))
    store.add(*random_videos(2000, [64], share=1.1))
    store.optimize()
    store.commit()
    store.close()
    for writing in (False, True):
        store = open_store(tmp_path, writing=writing)
        is_mapped = str(tmp_path) in Path("/proc/self/maps").read_text()
        assert is_mapped != writing  # FAISS aborts if mapped vectors change
        store.search(random_texts(2, [64]), 5)
        store.close()
        del store


def test_milvus_has_no_such_index():
    with pytest.raises(InputError, match="--index sq8: found --uri, expected an index in files"):
        build_index(None, None, IndexLocation("Toy", uri="file.db"), "sq8")
