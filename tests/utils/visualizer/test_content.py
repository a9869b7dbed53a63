"""The content of a ranking page, compared with a naive ranking."""

import dataclasses
import random

import numpy as np
import pytest
import torch
from helpers.ranking_pages import make_page_data

from utils.files import temporary_array
from utils.visualizer.content import best_first, page_content


def rank_of(score, scores):
    """Return the 1-based rank of `score`, itself one of `scores`."""
    return 1 + sum(x > score for x in scores) + (sum(x == score for x in scores) - 1) / 2


def first_five(scores):
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:5]


@pytest.mark.parametrize("seed", range(3))
def test_text_to_video_equals_a_naive_ranking(seed):
    data = make_page_data(seed=seed)
    content = page_content(data, {"video3": "videos/3.webm"}, 100)
    texts = [(v, k) for v in range(8) for k in range(3) if data.query_masks[v, k]]
    queries = content["t2v"]["queries"]
    assert len(queries) == len(texts) == 20 and content["t2v"]["candidates"] == 8
    for number, ((v, k), query) in enumerate(zip(texts, queries, strict=True)):
        row = data.sims[3 * v + k].tolist()
        text, truth = content["texts"][query["text"]], content["videos"][query["truth"]]
        assert text["captions"] == [k] and content["videos"][text["video"]] == truth
        assert text["weights"] == pytest.approx(data.weights[number], abs=1e-4)
        assert truth["id"] == f"video{v}" and truth["captions"] == data.captions[v]
        assert truth["has"] == data.available[v].tolist()
        assert truth["address"] == ("videos/3.webm" if v == 3 else None)
        assert query["rank"] == rank_of(row[v], row) and query["similarity"] == pytest.approx(row[v])
        best = [(content["videos"][i]["id"], similarity) for i, similarity in query["best"]]
        assert best == [(f"video{i}", pytest.approx(row[i])) for i in first_five(row)]


@pytest.mark.parametrize("seed", range(3))
def test_video_to_text_equals_a_naive_ranking(seed):
    data = make_page_data(seed=seed)
    content = page_content(data, {}, 100)
    texts = [(v, k) for v in range(8) for k in range(3) if data.query_masks[v, k]]

    def video_and_captions(index):
        text = content["texts"][index]
        return content["videos"][text["video"]]["id"], text["captions"]

    assert len(content["v2t"]["queries"]) == 8 and content["v2t"]["candidates"] == 20
    for v, query in enumerate(content["v2t"]["queries"]):
        column = [float(data.sims[3 * owner + k, v]) for owner, k in texts]
        own, others = ([x for x, (owner, _) in zip(column, texts, strict=True) if (owner == v) is y] for y in (True, False))
        rank = 1 + sum(x > max(own) for x in others) + others.count(max(own)) / (own.count(max(own)) + 1)
        assert content["videos"][query["video"]]["id"] == f"video{v}"
        assert query["rank"] == rank and query["similarity"] == pytest.approx(max(own))
        assert video_and_captions(query["truth"])[0] == f"video{v}"
        best = [(*video_and_captions(i), similarity) for i, similarity in query["best"]]
        assert best == [(f"video{texts[i][0]}", [texts[i][1]], pytest.approx(column[i])) for i in first_five(column)]


def test_histogram_and_metrics_are_of_all_queries_and_agree():
    data = make_page_data(num_videos=120, num_captions=2)
    content = page_content(data, {}, 7)
    assert content["bins"] == ["1", "2–5", "6–10", "11–50", "> 50"]
    for direction, count in (("t2v", 180), ("v2t", 120)):
        part = content[direction]
        assert len(part["queries"]) == 7 and sum(part["histogram"]) == count
        assert part["metrics"] == data.metrics[direction]
        reached = 100 * np.cumsum(part["histogram"])[:4] / count
        assert reached == pytest.approx([part["metrics"][name] for name in ("R1", "R5", "R10", "R50")])
        for query in part["queries"]:
            low, high = [(1, 1), (1.5, 5.5), (6, 10.5), (11, 50.5), (51, 200)][query["bin"]]
            assert low <= query["rank"] <= high


def test_averaged_captions_are_one_query_with_their_mean_weights():
    data = make_page_data(averaged=True)
    content = page_content(data, {}, 100)
    assert len(content["t2v"]["queries"]) == 8 and content["v2t"]["candidates"] == 8
    query = content["t2v"]["queries"][1]
    text = content["texts"][query["text"]]
    assert text["captions"] == [0, 1, 2]
    assert text["weights"] == pytest.approx(data.weights[2:5].mean(axis=0), abs=1e-4)


@pytest.mark.parametrize("averaged", [False, True])
def test_similarities_in_a_file_make_the_same_page(averaged):
    data = make_page_data(num_videos=30, averaged=averaged)
    data = dataclasses.replace(data, sims=data.sims.astype(np.float32))
    stored = temporary_array(data.sims.shape)
    stored[:] = data.sims
    in_file = dataclasses.replace(data, sims=stored)
    assert page_content(in_file, {}, 7) == page_content(data, {}, 7)


def test_a_model_without_weights_has_a_page():
    content = page_content(make_page_data(weighted=False), {}, 100)
    assert {text["weights"] for text in content["texts"]} == {None}


def test_one_direction_may_be_unmeasured_and_candidates_may_be_fewer_than_five():
    data = make_page_data(num_videos=2)
    del data.metrics["v2t"]
    content = page_content(data, {}, 100)
    assert content["v2t"]["metrics"] is None and content["v2t"]["histogram"]
    assert [len(query["best"]) for query in content["t2v"]["queries"]] == [2] * 5


def test_best_first_prefers_the_first_of_equal_scores():
    scores = np.array([1.0, 3.0, 3.0, 0.0, 3.0, 1.0, 1.0])
    assert best_first(scores, 5) == [1, 2, 4, 0, 5]


def test_every_epoch_samples_the_same_queries_and_keeps_random_states():
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    expected = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    samples = []
    for seed in (0, 1):
        content = page_content(make_page_data(num_videos=50, seed=seed), {}, 10)
        texts = [content["texts"][query["text"]] for query in content["t2v"]["queries"]]
        videos = [content["videos"][query["video"]]["id"] for query in content["v2t"]["queries"]]
        samples.append(([(content["videos"][text["video"]]["id"], text["captions"]) for text in texts], videos))
    assert samples[0] == samples[1] and [len(x) for x in samples[0]] == [10, 10]
    assert (torch.rand(1), np.random.rand(), random.random()) == expected
