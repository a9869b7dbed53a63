"""Query-bank normalization and hubness against plain loops, with ties and masks, in blocks of any size."""

import math

import numpy as np
import pytest
import scipy.stats
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from model import metric as metric_module
from model.metric import t2v_ranks, v2t_ranks
from model.querybank import CSLS_NEIGHBORS, METHODS, fit_bank, hubness, normalize
from utils.files import temporary_array

SIZES = st.integers(1, 14)


@st.composite
def matrices(draw):
    """Draw a direction, similarities with many ties or few, those of a bank, and masks of the rows of both."""
    task = draw(st.sampled_from(["t2v", "v2t"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    decimals = draw(st.sampled_from([0, 1, 6]))
    num_rows, num_columns, bank_size = draw(SIZES), draw(SIZES), draw(SIZES)
    sims = rng.uniform(-1, 1, (num_rows, num_columns)).round(decimals)
    bank = rng.uniform(-1, 1, (bank_size, num_columns) if task == "t2v" else (num_rows, bank_size)).round(decimals)
    share = draw(st.sampled_from([0.4, 0.8, 1]))
    exists, bank_exists = (rng.random(n) < share for n in (num_rows, len(bank)))
    exists[rng.integers(num_rows)] = bank_exists[rng.integers(len(bank))] = True
    dtype = draw(st.sampled_from(["f4", "f8"]))
    return task, sims.astype(dtype), bank.astype(dtype), exists, exists if task == "v2t" else bank_exists


def by_query(task, sims, exists):
    """Return the scores of each query with each item as lists of floats, without captions that do not exist."""
    existing = sims[exists].astype(float)
    return (existing if task == "t2v" else existing.T).tolist()


def normalized_by_loop(queries, bank, method, beta):
    """Return the published scores of each query (None: it keeps those that it has), one after the other."""
    items = range(len(queries[0]))
    to_item = [[scores[g] for scores in bank] for g in items]
    hubs = {g for scores in bank for g in items if scores[g] == max(scores)}
    found = []
    for scores in queries:
        if method == "csls":
            found.append([2 * scores[g] - np.mean(sorted(to_item[g])[-CSLS_NEIGHBORS:]) for g in items])
        elif method == "inverted_softmax" or any(scores[g] == max(scores) for g in hubs):
            sums = [sum(math.exp(beta * s) for s in to_item[g]) for g in items]
            found.append([math.exp(beta * scores[g]) / (sums[g] / len(bank)) for g in items])
        else:
            found.append(None)
    return found


@given(
    case=matrices(),
    method=st.sampled_from(METHODS),
    beta=st.sampled_from([0.5, 5, 20]),
    block_bytes=st.integers(1, 500),
    in_file=st.booleans(),
)
@examples(200)
def test_normalized_scores_are_those_of_a_loop(case, method, beta, block_bytes, in_file):
    task, sims, bank, exists, bank_exists = case
    if in_file:
        stored = temporary_array(sims.shape)
        stored[:] = sims
        sims = stored  # float32
    before, bank_before = sims.copy(), bank.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric_module, "BLOCK_BYTES", block_bytes)
        correction = fit_bank(bank, task, bank_exists, method, beta)
        out = temporary_array(sims.shape) if in_file else None
        found = normalize(sims, correction, task, exists, out)
    assert found is out or out is None
    assert np.array_equal(sims, before) and np.array_equal(bank, bank_before)
    assert found.dtype == sims.dtype and np.array_equal(found[~exists], sims[~exists])
    queries = by_query(task, sims, exists)
    expected = normalized_by_loop(queries, by_query(task, bank, bank_exists), method, beta)
    tolerance = 1e-5 if found.dtype == np.float32 else 1e-9
    for kept, scores, published in zip(queries, by_query(task, found, exists), expected, strict=True):
        if published is None:
            assert scores == kept
        elif method == "csls":
            assert [2 * x for x in scores] == pytest.approx(published, abs=tolerance)
        else:
            assert [math.exp(beta * x) for x in scores] == pytest.approx(published, rel=50 * tolerance)


@given(case=matrices(), k=st.integers(1, 12), block_bytes=st.integers(1, 500))
@examples(100)
def test_hubness_is_the_skewness_of_a_count_by_a_loop(case, k, block_bytes):
    task, sims, _, exists, _ = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric_module, "BLOCK_BYTES", block_bytes)
        found = hubness(sims, task, exists, k)
    queries = by_query(task, sims, exists)
    counts = [sum(sum(x > scores[g] for x in scores) < k for scores in queries) for g in range(len(queries[0]))]
    assert found == pytest.approx(0 if len(set(counts)) == 1 else scipy.stats.skew(counts))


@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(METHODS))
@examples(30)
def test_the_order_of_items_and_of_the_bank_changes_no_rank(seed, method):
    """With many ties, also between the best items, which are the ones that select the queries."""
    rng = np.random.default_rng(seed)
    sims, bank = (rng.integers(-2, 3, (n, 6)).astype(np.float32) / 4 for n in (6, 9))
    order, bank_order = rng.permutation(6), rng.permutation(9)
    for task, ranks_of in (("t2v", t2v_ranks), ("v2t", v2t_ranks)):
        matrix, of_bank = (sims, bank) if task == "t2v" else (sims, bank.T)
        moved = matrix[np.ix_(order, order)]  # captions and videos alike, so that they still belong together
        moved_bank = of_bank[np.ix_(bank_order, order)] if task == "t2v" else of_bank[np.ix_(order, bank_order)]
        ranks = ranks_of(normalize(matrix, fit_bank(of_bank, task, method=method), task))
        moved_ranks = ranks_of(normalize(moved, fit_bank(moved_bank, task, method=method), task))
        assert moved_ranks.tolist() == ranks[order].tolist()
