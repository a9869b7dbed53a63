"""Metrics with several relevant items against plain loops over all orders of ties, `model.metric` and trec_eval."""

import itertools
import math
from statistics import fmean

import numpy as np
import pytest
import pytrec_eval
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from model.metric import t2v_metrics, v2t_metrics
from model.relevance import evaluate_relevance, score_queries

MEASURES = {
    "R1": "success_1",
    "R5": "success_5",
    "R10": "success_10",
    "recall10": "recall_10",
    "MRR": "recip_rank",
    "mAP": "map",
    "nDCG10": "ndcg_cut_10",
}


@st.composite
def cases(draw, most=5, decimals=(0, 1, 6), max_captions=8):
    """Draw similarities (R, C), grades and a mask of rows that exist."""
    shape = draw(st.integers(1, max_captions)), draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sims = rng.normal(size=shape).round(draw(st.sampled_from(decimals)))
    grades = rng.integers(1, 4, size=shape) * (rng.random(shape) < draw(st.sampled_from([0.1, 0.4, 0.9])))
    exists = rng.random(len(sims)) < draw(st.sampled_from([0.5, 1]))
    exists[rng.integers(len(sims))] = True
    return sims.astype(draw(st.sampled_from(["f4", "f8"]))), grades, exists


def positions_by_loop(scores, grades):
    """Return the mean position and grade of the j-th relevant item, over all orders of items with equal scores."""
    groups = [
        list(group)
        for _, group in itertools.groupby(sorted(range(len(scores)), key=lambda i: -scores[i]), scores.__getitem__)
    ]
    found, start = [], 0
    for group in groups:
        orders = [[i for i, item in enumerate(order) if grades[item] > 0] for order in itertools.permutations(group)]
        relevant = [grades[item] for item in group if grades[item] > 0]
        found += [(start + fmean(places), fmean(relevant)) for places in zip(*orders, strict=True)]
        start += len(group)
    return found


def metrics_by_loop(scores, grades):
    found = positions_by_loop(scores, grades)
    first, best = found[0][0], sorted((g for g in grades if g > 0), reverse=True)
    dcg = sum(gain / math.log2(place + 2) for place, gain in found if place < 10 - 1e-9)
    return {
        "R1": 100 * (first < 1e-9),
        **{f"R{k}": 100 * (first < k - 1e-9) for k in (5, 10, 50)},
        "recall10": 100 * fmean(place < 10 - 1e-9 for place, _ in found),
        "MRR": 100 / (first + 1),
        "mAP": 100 * fmean(i / (place + 1) for i, (place, _) in enumerate(found, 1)),
        "nDCG10": 100 * dcg / sum(gain / math.log2(i + 2) for i, gain in enumerate(best[:10])),
    }


@examples(80)
@given(cases(max_captions=6), st.sampled_from(["t2v", "v2t"]))
def test_scores_are_those_of_a_loop_over_all_orders_of_ties(case, task):
    sims, grades, exists = case
    found = score_queries(sims, grades, task, exists)
    rows, judged = sims[exists], grades[exists]
    queries = [*zip(rows, judged, strict=True)] if task == "t2v" else [*zip(rows.T, judged.T, strict=True)]
    for q, (scores, of_query) in enumerate(queries):
        values = {name: x[q] for name, x in found.items()}
        if (of_query > 0).any():
            assert values == pytest.approx(metrics_by_loop(scores.tolist(), of_query.tolist()))
        else:
            assert all(map(math.isnan, values.values()))


@examples(100)
@given(cases(most=30, decimals=(0, 1, 2)))
def test_with_one_relevant_video_the_recall_is_that_of_the_other_metrics(case):
    sims, _, _ = case
    num_videos = sims.shape[1]
    sims = np.resize(sims, (2 * num_videos, num_videos))
    truth = np.repeat(np.eye(num_videos), 2, axis=0)
    for task, metrics in (("t2v", t2v_metrics), ("v2t", v2t_metrics)):
        found, expected = evaluate_relevance(sims, truth, task), metrics(sims)
        assert {k: found[k] for k in ("R1", "R5", "R10", "R50")} == pytest.approx(
            {k: expected[k] for k in ("R1", "R5", "R10", "R50")}
        )


@examples(100)
@given(cases(most=40, decimals=(9,)), st.sampled_from(["t2v", "v2t"]))
def test_without_ties_the_values_are_those_of_trec_eval(case, task):
    sims, grades, _ = case
    ranked, relevant = (sims, grades) if task == "t2v" else (sims.T, grades.T)
    names = [f"d{i:03}" for i in range(ranked.shape[1])]
    chosen = [q for q in range(len(ranked)) if (relevant[q] > 0).any() and len(set(ranked[q].tolist())) == len(names)]
    qrels = {str(q): {d: int(x) for d, x in zip(names, relevant[q], strict=True) if x > 0} for q in chosen}
    run = {str(q): dict(zip(names, ranked[q].tolist(), strict=True)) for q in chosen}
    expected = pytrec_eval.RelevanceEvaluator(qrels, {"success", "recall", "recip_rank", "map", "ndcg_cut"}).evaluate(run)
    found = score_queries(sims, grades, task)
    for q in chosen:
        for name, measure in MEASURES.items():
            assert found[name][q] == pytest.approx(100 * expected[str(q)][measure]), name
