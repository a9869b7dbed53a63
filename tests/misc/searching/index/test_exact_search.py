"""Exact search, against sorting all scores."""

import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from misc.searching.index import exact_search
from misc.searching.index.exact_search import find_best


def sort_all(scores, k, lowest):
    """Return scores and positions of the best k of scores (N,) and of all others with the score of the k-th."""
    valid = [i for i in range(len(scores)) if scores[i] >= lowest]  # not NaN
    ranked = sorted(valid, key=lambda i: (-scores[i], i))
    kept = [i for place, i in enumerate(ranked) if place < k or scores[i] == scores[ranked[k - 1]]]
    return [scores[i] for i in kept], kept


@examples(150)
@given(st.data())
def test_the_best_are_those_of_sorting_all(data):
    number, queries, k = (data.draw(st.integers(1, top)) for top in (40, 5, 45))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    values = data.draw(st.integers(1, 5))  # few different ones: many scores are equal
    vectors = rng.integers(-values, values + 1, size=(number, 3)).astype(np.float32)
    texts = rng.integers(-2, 3, size=(queries, 3)).astype(np.float32)
    lowest = data.draw(st.lists(st.sampled_from([-np.inf, 0.0, 3.0, 100.0]), min_size=queries, max_size=queries))
    bounds = data.draw(st.sampled_from([None, np.array(lowest, np.float32)]))
    with pytest.MonkeyPatch.context() as patch:  # several blocks, and candidates that are dropped on the way
        patch.setattr(exact_search, "BLOCK_BYTES", data.draw(st.sampled_from([1, 100, 1 << 20])))
        patch.setattr(exact_search, "MAX_CANDIDATES", data.draw(st.sampled_from([1, 1 << 16])))
        scores, positions = find_best(vectors, texts, k, bounds)
    assert scores.shape == positions.shape and scores.dtype == np.float32
    bounds = np.full(queries, -np.inf) if bounds is None else bounds
    for text, bound, row, found in zip(texts, bounds, scores, positions, strict=True):
        expected, kept = sort_all(vectors @ text, k, bound)
        assert found[: len(kept)].tolist() == kept and row[: len(kept)].tolist() == expected
        assert (found[len(kept) :] == -1).all() and (row[len(kept) :] == -np.inf).all()


def test_scores_that_are_no_numbers_are_left_out():
    vectors = np.array([[1.0], [np.nan], [3.0], [np.nan], [2.0]], np.float32)
    scores, positions = find_best(vectors, np.array([[1.0], [np.nan]], np.float32), 2)
    assert positions.tolist() == [[2, 4], [-1, -1]] and scores[0].tolist() == [3, 2]
    assert find_best(vectors, np.ones((1, 1), np.float32), 4)[1].tolist() == [[2, 4, 0]]


def test_nothing_is_found_among_no_vectors_and_for_no_queries():
    assert find_best(np.zeros((0, 3), np.float32), np.ones((2, 3), np.float32), 4)[1].shape == (2, 0)
    assert find_best(np.ones((5, 3), np.float32), np.zeros((0, 3), np.float32), 4)[1].shape == (0, 0)
