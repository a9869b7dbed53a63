"""The metrics against the published values and trec_eval, and their limits; loops are in `test_metric_properties.py`."""

import json
import tracemalloc
from functools import partial

import numpy as np
import pytest
import pytrec_eval
import torch
from helpers.paths import shared

from model.metric import t2v_metrics, t2v_ranks, v2t_metrics, v2t_ranks
from utils.errors import InputError
from utils.files import temporary_array

CASES = ("a", "b", "c", "c_nomask", "d", "e", "f")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("direction", "metric"), [("t2v", t2v_metrics), ("v2t", partial(v2t_metrics, ties="published"))])
@pytest.mark.parametrize("folder", ["parity", "parity-2020"])
def test_parity_with_the_published_implementation(folder, case, direction, metric):
    data = np.load(shared(folder, "metrics.npz"))
    manifest = json.loads(shared(folder, "manifest.json").read_text())
    exact = manifest.get("exact_float64") or manifest["files"]["metrics.npz"]["exact_float64"]
    masks = data.get(f"{case}/query_masks")
    found = metric(data[f"{case}/sims"], masks)
    prefix = f"{case}/{direction}/"
    expected = {key.removeprefix(prefix): value for key, value in exact.items() if key.startswith(prefix)}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


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
    """With one relevant video per query, trec_eval's success at k is recall at k."""
    sims = np.random.default_rng(0).normal(size=(120, 60))
    relevant = {f"q{row}": {f"v{row // 2}": 1} for row in range(120)}
    run = {f"q{row}": {f"v{v}": float(s) for v, s in enumerate(scores)} for row, scores in enumerate(sims)}
    results = pytrec_eval.RelevanceEvaluator(relevant, {"success.1,5,10,50"}).evaluate(run)
    found = t2v_metrics(sims)
    for k in (1, 5, 10, 50):
        assert found[f"R{k}"] == pytest.approx(100 * np.mean([r[f"success_{k}"] for r in results.values()]))


@pytest.mark.parametrize("metric", [t2v_metrics, v2t_metrics])
@pytest.mark.parametrize(
    ("sims", "masks", "message"),
    [
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
