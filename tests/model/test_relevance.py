"""Metrics with several relevant items: a case by hand, qrels of captions, and what is refused."""

import math
import re

import numpy as np
import pytest
from scipy import sparse

from model import relevance as relevance_module
from model.metric import NotFiniteError
from model.relevance import equal_caption_qrels, evaluate_relevance, relevance_matrix, score_queries
from utils.errors import InputError


def test_a_case_by_hand():
    """The first caption has relevant videos at positions 0 and 2, with grades 1 and 3; the second has none."""
    sims = np.array([[0.9, 0.5, 0.7, 0.1], [0.4, 0.3, 0.2, 0.1]])
    grades = np.array([[1, 3, 0, 0], [0, 0, 0, 0]])
    dcg, ideal = 1 / math.log2(2) + 3 / math.log2(4), 3 / math.log2(2) + 1 / math.log2(3)
    expected = {"R1": 100, "R5": 100, "R10": 100, "R50": 100, "recall10": 100, "MRR": 100}
    expected |= {"mAP": 100 * (1 / 1 + 2 / 3) / 2, "nDCG10": 100 * dcg / ideal}
    found = score_queries(sims, grades)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(expected)
    assert all(np.isnan(values[1]) for values in found.values())
    assert evaluate_relevance(sims, sparse.csr_array(grades)) == pytest.approx(expected)


def test_items_below_rank_10_count_for_map_only():
    sims, grades = -np.arange(12.0)[None], np.zeros((1, 12))
    grades[0, [3, 10]] = 1  # positions 3 and 10
    found = evaluate_relevance(sims, grades)
    assert found["recall10"] == 50 and found["R1"] == 0 and found["R5"] == 100
    assert found["mAP"] == pytest.approx(100 * (1 / 4 + 2 / 11) / 2)
    assert found["nDCG10"] == pytest.approx(100 / math.log2(5) / (1 + 1 / math.log2(3)))


def test_negative_grades_are_not_relevant():
    sims = np.array([[3.0, 2.0, 1.0]])
    assert evaluate_relevance(sims, np.array([[-1, 0, 2]])) == evaluate_relevance(sims, np.array([[0, 0, 2]]))


def test_blocks_of_one_query_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    sims, grades = rng.normal(size=(12, 6)).round(1), rng.integers(0, 3, size=(12, 6))
    for task in ("t2v", "v2t"):
        expected, before = score_queries(sims, grades, task), sims.copy()
        monkeypatch.setattr(relevance_module, "BLOCK_BYTES", 1)
        np.testing.assert_equal(score_queries(sims, grades, task), expected)
        assert np.array_equal(sims, before)
        monkeypatch.undo()


@pytest.mark.parametrize("task", ["t2v", "v2t"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf_are_refused_with_their_row(task, value):
    sims = np.zeros((4, 2))
    sims[3, 1] = value
    with pytest.raises(NotFiniteError, match="first in row 3$"):
        score_queries(sims, np.ones((4, 2)), task)
    with pytest.raises(NotFiniteError, match="first in row 3$"):
        score_queries(sims, np.ones((4, 2)), task, np.array([False, True, True, True]))
    score_queries(sims, np.ones((4, 2)), task, np.array([True, True, True, False]))


@pytest.mark.parametrize(
    ("sims", "grades", "exists", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), None, "grades of shape (2, 3) for similarities of shape (2, 2)"),
        (np.zeros((2, 0)), np.zeros((2, 0)), None, "similarities of shape (2, 0)"),
        (np.zeros((2, 2)), np.ones((2, 2)), np.array([False, False]), "a mask of 0 captions"),
        (np.zeros((2, 2)), np.ones((2, 2)), np.array([True]), "a mask of 1 captions, shape (1,), for 2 rows"),
        (np.zeros((2, 2)), np.full((2, 2), np.nan), None, "grades hold NaN or inf"),
        (np.zeros((2, 2)), np.zeros((2, 2)), None, "no query of t2v has a relevant item"),
    ],
)
def test_what_does_not_fit_is_refused(sims, grades, exists, message):
    with pytest.raises(InputError, match=re.escape(message)):
        evaluate_relevance(sims, grades, "t2v", exists)


def test_qrels_become_a_matrix_of_rows_and_columns():
    qrels = {"b#0": {"b": 2, "a": 0}, "a#1": {"a": 1, "b": 3}, "elsewhere#0": {"elsewhere": 1}}
    found = relevance_matrix(qrels, ["a#0", "a#1", "b#0", ""], ["a", "b"])
    assert found.toarray().tolist() == [[0, 0], [1, 3], [0, 2], [0, 0]] and found.nnz == 3


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ({"c#0": {"a": 1}}, "no caption of the split, found 'c#0', expected 'a#0'"),
        ({"a#0": {"a": 1, "x": 1, "y": 0}}, "relevant videos that are not in the split: 'x'$"),
    ],
)
def test_qrels_of_something_else_are_refused(qrels, message):
    with pytest.raises(InputError, match=message):
        relevance_matrix(qrels, ["a#0"], ["a"])


def test_captions_are_equal_apart_from_case_and_space_and_unknown_ones_are_not():
    texts = {"a#0": ["A dog"], "a#1": [""], "b#0": ["a  DOG "], "c#0": ["a dog."], "d#0": [""], "e#0": ["x", "a dog"]}
    owners = {caption: caption[0] for caption in texts}
    dogs = {"a": 1, "b": 1, "e": 1}
    expected = {"a#0": dogs, "a#1": {"a": 1}, "b#0": dogs, "c#0": {"c": 1}, "d#0": {"d": 1}, "e#0": dogs}
    assert equal_caption_qrels(texts, owners) == expected


def test_another_task_is_refused():
    with pytest.raises(InputError, match="task 'both', expected 't2v' or 'v2t'"):
        evaluate_relevance(np.eye(3), np.eye(3), "both")
