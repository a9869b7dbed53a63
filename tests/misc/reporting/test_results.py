"""Tables of results: the choice of an evaluation of a checkpoint, and marks of differences."""

import json
import os
from pathlib import Path

import pytest
from helpers.compared_runs import write_experiment

from misc.reporting.comparison import compare_groups
from misc.reporting.results import find_evaluation, mark_differences
from misc.reporting.run_groups import read_groups
from misc.reporting.significance import holm
from misc.reporting.tables import BANK, TASKS, ResultsTable

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


def test_cells_that_differ_from_the_first_row_are_marked(tmp_path, monkeypatch):
    """The marks agree with the p-values of `compare_groups`; the first row is compared with its query bank only."""
    monkeypatch.chdir(tmp_path)
    runs = [
        write_experiment(name, skill, querybank=True)
        for name, skill in (("ce", 1), ("same", 1.02), ("better", 2.5), ("worse", 0))
    ]
    columns = {"R1": "R@1", BANK + "R10": "bank R@10"}
    table = ResultsTable("README.md", {}, columns=columns, compared=True)
    rows = [(run.name, {task: [(10.0, 1.0)] * 2 for task in TASKS}) for run in runs]
    mark_differences(rows, table, runs)
    groups = read_groups(list(map(str, runs)), querybank=True)
    tests = [
        (row, task, column, compare_groups([groups[0], groups[2 * row + column]], [metric], 10)["tests"][TASKS.index(task)])
        for row in range(4)
        for task in TASKS
        for column, metric in enumerate(["R1", "R10"])
        if row or column
    ]
    corrected = holm([test["p_configs"] for *_, test in tests])
    marks = set()
    for (row, task, column, test), p in zip(tests, corrected, strict=True):
        arrows = ("\u2191", "\u21d1") if test["difference"] > 0 else ("\u2193", "\u21d3")
        mark = "" if test["p_configs"] > 0.05 else f"\u00a0{arrows[p <= 0.05]}"
        found = rows[row][1][task][column]
        assert found == (f"10.0<sub>(1.0)</sub>{mark}" if mark else (10.0, 1.0))
        marks.add(mark)
    assert {"", "\u00a0\u21d1", "\u00a0\u21d3"} <= marks
    assert all(rows[0][1][task][0] == (10.0, 1.0) for task in TASKS)
