"""`misc/evaluate_search.py`, against plain ranks."""

import json
import random
import statistics
from pathlib import Path

import pytest

from misc import evaluate_search
from misc.evaluation.search import Scores, evaluate, expected_scores, rank_in
from misc.searching.channels.channel import ChannelHit
from misc.searching.channels.fusion import WEIGHTS


def test_scores_of_ties_are_those_of_random_orders():
    rng = random.Random(0)
    ranks = [(1, 1), (3, 1), (2, 4), (6, 20)]
    draws = [[first + rng.randrange(number) for first, number in ranks] for _ in range(20_000)]
    scores = expected_scores([True, True, True, False], ranks)
    for k, value in ((1, scores.r1), (5, scores.r5), (10, scores.r10)):
        assert value == pytest.approx(100 * statistics.mean(rank <= k for draw in draws for rank in draw), abs=0.6)
    assert scores.mrr == pytest.approx(100 * statistics.mean(1 / rank for draw in draws for rank in draw), abs=0.6)
    assert scores.found == 75


def test_videos_that_are_not_found_are_tied_at_the_end():
    assert rank_in(["a", "b"], "b", 10) == (2, 1) and rank_in(["a", "b"], "c", 10) == (3, 8)


def test_each_combination_of_channels_is_fused():
    rankings = {"words": {"x": ["a", "gone", "b"], "y": []}, "concepts": {"x": ["b", "c"], "y": ["c"]}}
    channels = {
        name: lambda text, by_text=by_text: [ChannelHit(video, 1.0, []) for video in by_text[text]]
        for name, by_text in rankings.items()
    }
    scores = evaluate(channels, [("x", "b"), ("y", "a")], ["a", "b", "c", "d"])
    assert list(scores) == ["chance", "words", "concepts", "words + concepts"]
    assert scores["chance"] == expected_scores([True], [(1, 4)])
    assert scores["words"] == expected_scores([True, False], [(2, 1), (1, 4)])
    assert scores["concepts"] == expected_scores([True, True], [(1, 1), (2, 3)])
    assert WEIGHTS["words"] / 61 < WEIGHTS["words"] / 62 + WEIGHTS["concepts"] / 61
    assert scores["words + concepts"] == expected_scores([True, True], [(1, 1), (2, 3)])
    assert isinstance(scores["words"], Scores)


def table(out):
    """Return the cells of each row of the printed table by its name."""
    lines = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("| ")][2:]
    return {name: cells for name, *cells in lines}


def test_captions_are_queries_and_are_not_searched(collection, call):
    archive, _ = collection
    test = archive.lists["test_list.txt"]
    archive.raw = {**archive.raw, test[0]: [["big", "sale"]], test[1]: [["only", "here"], ["encore", "now"]]}
    archive.dump("raw-captions.pkl", archive.raw)
    words = {test[0]: ["SALE"], test[1]: ["encore"], archive.ids[0]: ["SALE", "sale"]}
    (archive.folder / "ocr-words.json").write_text(json.dumps(words))
    code, out, err = call(evaluate_search, "--name", "Toy", "--only", "sale|here|encore")
    assert code == 0 and out.startswith("concepts: not searched: expert rgb"), err
    assert "3 queries, 10 videos of the test split" in out and not Path("data/Toy/index").exists()
    # Of three queries, two are found first, and one is not.
    assert table(out)["words"] == [f"{100 * x:.1f}" for x in (2.1 / 3, 2.5 / 3, 1, (2 + 0.29290) / 3)] + ["67 %"]
    assert table(out)["chance"][:3] == ["10.0", "50.0", "100.0"]
    assert "No good match" not in out
    code, out, err = call(evaluate_search, "--name", "Toy", "--only", "sale|here|encore", "--doubts")
    header, _, captions, nonsense, english = out.splitlines()[-5:]
    assert code == 0 and header == "| No good match | words | all |" and english.startswith("| random English words | "), err
    assert captions == "| captions | 33.3 % | 33.3 % |"  # only "only here" has no word that a video has
    assert nonsense == "| words that do not exist | 100.0 % | 100.0 % |"
    code, out, err = call(evaluate_search, "--name", "Toy", "--resume", "model.pth", "--split", "val", "--index_dir", "mine")
    assert code == 0 and list(table(out)) == ["chance", "words", "trained", "words + trained"], err
    assert Path("mine/index.json").exists() and not Path("data/Toy/index").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "("], "--only '(': "),
        (["--only", "nothing like it"], "no caption of its videos matches --only"),
        (["--resume", "none.pth"], "none.pth: no such checkpoint"),
        (["--name", "Other"], "data/Other: no such folder"),
    ],
)
def test_bad_input_is_one_line(collection, call, arguments, message):
    code, _, err = call(evaluate_search, "--name", "Toy", *arguments)
    assert code == 2 and message in err.splitlines()[-1] and "Traceback" not in err
    Path("data/Toy/symlinked-feats/test_list.txt").unlink()
    code, _, err = call(evaluate_search, "--name", "Toy")
    assert code == 2 and "test_list.txt: not found" in err
