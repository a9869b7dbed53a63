"""Choice of the evaluation of a checkpoint for a table."""

import json
import os
from pathlib import Path

import pytest

from misc.reporting.results import find_evaluation

CONFIG = {"arch": {"args": {"similarity": "pairwise"}}, "test_split": "test"}


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    """Return a function that writes the evaluation `name` of the checkpoint, and its metrics.json."""
    monkeypatch.chdir(tmp_path)

    def evaluate(name, seconds, **more):
        folder = Path("data/saved/log/toy-train-ce", name)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(CONFIG))
        path = folder / "metrics.json"
        path.write_text(json.dumps({"checkpoint": str(checkpoint), "split": "test", **more}))
        os.utime(path, (seconds, seconds))
        return path

    checkpoint = Path("data/saved/models/toy-train-ce/2026-11-26_08-00-00/trained_model.pth")
    checkpoint.parent.mkdir(parents=True)
    (checkpoint.parent / "config.json").write_text(json.dumps(CONFIG))
    checkpoint.touch()
    os.utime(checkpoint, (1000, 1000))
    evaluate.checkpoint = checkpoint
    return evaluate


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b", "a")])
def test_the_newest_evaluation_counts(evaluate, names):
    paths = [evaluate(name, 1000 + 10 * i) for i, name in enumerate(names)]
    assert find_evaluation(evaluate.checkpoint, "pairwise") == paths[-1]
    assert find_evaluation(evaluate.checkpoint, "paired-2019") is None


def test_a_newer_one_of_another_split_or_checkpoint_does_not_hide_it(evaluate):
    path = evaluate("a", 1000)
    evaluate("b", 1010, split="val")
    evaluate("c", 1020, checkpoint="elsewhere.pth")
    assert find_evaluation(evaluate.checkpoint, "pairwise") == path


def test_one_of_an_earlier_checkpoint_does_not_count(evaluate):
    evaluate("a", 990)
    assert find_evaluation(evaluate.checkpoint, "pairwise") is None
