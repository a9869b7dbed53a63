"""The metrics against the published values, a double loop, and trec_eval."""

import json
import tracemalloc
from functools import partial
from itertools import permutations

import numpy as np
import pytest
import pytrec_eval
import torch
from helpers.paths import shared
from hypothesis import given, settings
from hypothesis import strategies as st

from model import metric as metric_module
from model.metric import t2v_metrics, t2v_ranks, v2t_metrics, v2t_ranks
from utils.errors import InputError
from utils.files import temporary_array

CASES = ("a", "b", "c", "c_nomask", "d", "e", "f")


def ranks_by_loop(sims, masks, direction, ties="expected"):
    """Return 0-based ranks by one comparison at a time."""
    num_videos = sims.shape[1]
    num_captions = len(sims) // num_videos
    ranks = []
    if direction == "t2v":
        for row in range(len(sims)):
            video, caption = divmod(row, num_captions)
            if masks[video][caption]:
                higher = sum(score > sims[row][video] for score in sims[row])
                tied = sum(score == sims[row][video] for score in sims[row])
                ranks.append(higher + (tied - 1) / 2)
        return ranks
    candidates = [row for row in range(len(sims)) if masks[row // num_captions][row % num_captions]]
    for video in range(num_videos):
        best = max(sims[row][video] for row in candidates if row // num_captions == video)
        higher = sum(sims[row][video] > best for row in candidates)
        tied = [row // num_captions == video for row in candidates if sims[row][video] == best]  # true: an own caption
        if ties == "published":
            ranks.append(higher + (len(tied) - 1) / 2)
        else:
            ranks.append(higher + tied.count(False) / (tied.count(True) + 1))
    return ranks


def summary_by_loop(ranks):
    share = {f"R{k}": 100 * sum(r < k if k > 1 else r == 0 for r in ranks) / len(ranks) for k in (1, 5, 10, 50)}
    middle = sorted(ranks)[(len(ranks) - 1) // 2 : len(ranks) // 2 + 1]
    return {
        **share,
        "MedR": sum(middle) / len(middle) + 1,
        "MeanR": sum(ranks) / len(ranks) + 1,
        "geometric_mean_R1-R5-R10": (share["R1"] * share["R5"] * share["R10"]) ** (1 / 3),
    }


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("direction", "metric"), [("t2v", t2v_metrics), ("v2t", partial(v2t_metrics, ties="published"))])
def test_parity_with_the_published_implementation(case, direction, metric):
    data = np.load(shared("parity", "metrics.npz"))
    exact = json.loads(shared("parity", "manifest.json").read_text())["files"]["metrics.npz"]["exact_float64"]
    masks = data.get(f"{case}/query_masks")
    found = metric(data[f"{case}/sims"], masks)
    prefix = f"{case}/{direction}/"
    expected = {key.removeprefix(prefix): value for key, value in exact.items() if key.startswith(prefix)}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


@given(
    seed=st.integers(0, 2**32 - 1),
    num_videos=st.integers(1, 7),
    num_captions=st.integers(1, 4),
    decimals=st.sampled_from([0, 1, 6]),
)
@settings(deadline=None, max_examples=60)
def test_equals_the_double_loop_with_ties_and_masks(seed, num_videos, num_captions, decimals):
    rng = np.random.default_rng(seed)
    sims = rng.normal(size=(num_videos * num_captions, num_videos)).round(decimals)
    masks = rng.random((num_videos, num_captions)) < 0.7
    masks[:, 0] = True
    before = sims.copy()
    for direction, metric in (("t2v", t2v_metrics), ("v2t", v2t_metrics)):
        expected = summary_by_loop(ranks_by_loop(sims, masks, direction))
        assert metric(sims, masks.astype(float)) == pytest.approx(expected)
    assert np.array_equal(sims, before)


@given(
    seed=st.integers(0, 2**32 - 1),
    num_videos=st.integers(1, 9),
    num_captions=st.integers(1, 5),
    decimals=st.sampled_from([0, 1, 6]),
    block_bytes=st.integers(1, 500),
    threads=st.integers(1, 3),
)
@settings(deadline=None, max_examples=60)
def test_blocks_of_any_size_in_memory_or_in_a_file_give_the_same_ranks(
    seed, num_videos, num_captions, decimals, block_bytes, threads
):
    rng = np.random.default_rng(seed)
    sims = rng.normal(size=(num_videos * num_captions, num_videos)).round(decimals).astype(np.float32)
    masks = rng.random((num_videos, num_captions)) < 0.7
    masks[:, 0] = True
    stored = temporary_array(sims.shape)
    stored[:] = sims
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric_module, "BLOCK_BYTES", block_bytes)
        patch.setattr(torch, "get_num_threads", lambda: threads)
        for matrix in (sims, stored):
            assert t2v_ranks(matrix, masks).tolist() == ranks_by_loop(sims, masks, "t2v")
            for ties in ("expected", "published"):
                assert v2t_ranks(matrix, masks, ties).tolist() == ranks_by_loop(sims, masks, "v2t", ties)


@given(
    num_captions=st.integers(1, 3),
    levels=st.lists(st.integers(0, 1), min_size=27, max_size=27),
    kept=st.lists(st.booleans(), min_size=9, max_size=9),
)
@settings(deadline=None, max_examples=40)
def test_v2t_rank_is_the_expected_place_of_the_first_own_caption(num_captions, levels, kept):
    num_videos = 3 if num_captions == 1 else 2
    sims = np.array(levels[: num_videos**2 * num_captions], dtype=float).reshape(-1, num_videos)
    masks = np.array(kept[: num_videos * num_captions]).reshape(num_videos, -1)
    masks[:, 0] = True
    candidates = np.flatnonzero(masks)
    for video, rank in enumerate(v2t_ranks(sims, masks)):
        orders = [  # all that a sort by similarity could give
            order
            for order in permutations(candidates)
            if all(sims[a, video] >= sims[b, video] for a, b in zip(order, order[1:], strict=False))
        ]
        places = [next(i for i, row in enumerate(order) if row // num_captions == video) for order in orders]
        assert rank == pytest.approx(np.mean(places))


def test_own_captions_do_not_count_against_a_video():
    sims = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.8], [0.2, 0.7]])
    assert v2t_ranks(sims).tolist() == [0, 0]
    assert v2t_ranks(sims, ties="published").tolist() == [0.5, 0]
    repeated = np.repeat(np.random.default_rng(0).normal(size=(30, 30)), 3, axis=0)  # every caption three times
    assert v2t_metrics(repeated)["R1"] == v2t_metrics(repeated[::3])["R1"] > 0


@pytest.mark.parametrize("num_videos", [1015, 1016, 1017, 2500])
def test_counts_do_not_overflow_where_all_are_tied_or_ahead(num_videos):
    tied = np.zeros((num_videos, num_videos), dtype=np.float32)
    assert (t2v_ranks(tied) == (num_videos - 1) / 2).all() and (v2t_ranks(tied) == (num_videos - 1) / 2).all()
    last = tied - np.eye(num_videos, dtype=np.float32)
    assert (t2v_ranks(last) == num_videos - 1).all() and (v2t_ranks(last) == num_videos - 1).all()


@pytest.mark.parametrize("ranks_of", [t2v_ranks, v2t_ranks])
@pytest.mark.parametrize("in_file", [False, True])
def test_memory_is_that_of_a_few_blocks(ranks_of, in_file):
    sims = np.random.default_rng(0).random((9000, 1500), dtype=np.float32)  # 54 MB
    masks = np.ones((1500, 6), dtype=bool)
    masks[3, 5] = False
    if in_file:
        stored = temporary_array(sims.shape)
        stored[:] = sims
        sims = stored
    tracemalloc.start()
    try:
        ranks_of(sims, masks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    block = 127 * 1500 * 4
    assert peak < torch.get_num_threads() * 3 * block + 40 * len(sims)


def test_recall_equals_trec_eval():
    """With one relevant video a query, trec_eval's success at k is recall at k."""
    sims = np.random.default_rng(0).normal(size=(120, 60))
    relevant = {f"q{row}": {f"v{row // 2}": 1} for row in range(120)}
    run = {f"q{row}": {f"v{v}": float(s) for v, s in enumerate(scores)} for row, scores in enumerate(sims)}
    results = pytrec_eval.RelevanceEvaluator(relevant, {"success.1,5,10,50"}).evaluate(run)
    found = t2v_metrics(sims)
    for k in (1, 5, 10, 50):
        assert found[f"R{k}"] == pytest.approx(100 * np.mean([r[f"success_{k}"] for r in results.values()]))


def test_a_tie_for_first_is_no_hit_at_1():
    assert t2v_metrics(np.ones((2, 2)))["R1"] == 0
    assert t2v_metrics(np.array([[1.0, 0.9], [0.0, 0.1]]))["R1"] == 100


@pytest.mark.parametrize("metric", [t2v_metrics, v2t_metrics])
@pytest.mark.parametrize(
    ("sims", "masks", "message"),
    [
        (np.array([[1, 2], [np.nan, 3], [1, np.inf], [0, 0]]), None, "NaN or inf, first in row 1"),
        (np.zeros((3, 2)), None, r"shape \(3, 2\), expected"),
        (np.zeros(4), None, r"shape \(4,\), expected"),
        (np.zeros((0, 0)), None, r"shape \(0, 0\), expected"),
        (np.zeros((4, 2)), np.ones((2, 3)), r"masks of shape \(2, 3\), expected \(2, 2\)"),
        (np.zeros((4, 2)), np.array([[1, 1], [0, 0]]), "column 1 has no caption"),
    ],
)
def test_refuses_what_it_cannot_rank(metric, sims, masks, message):
    with pytest.raises(InputError, match=message):
        metric(sims, masks)
