"""The table of a cross-validation, compared with numpy, and the form of settings."""

import re

import numpy as np
import pytest

from misc.reporting.cross_validation import BOTH, COLUMNS, DIFFERENCES, Setting, format_markdown, make_rows, summarize
from utils.errors import InputError


def test_the_table_has_means_standard_errors_and_paired_differences():
    rng = np.random.default_rng(0)
    values = rng.uniform(20, 60, size=(3, 5, 3, 4))  # setting, fold, task, metric
    tasks = ("t2v", "v2t", BOTH)
    results = {
        name: [{task: dict(zip(COLUMNS, x, strict=True)) for task, x in zip(tasks, fold, strict=True)} for fold in folds]
        for name, folds in zip(("config", "a", "b"), values, strict=True)
    }
    heading, *rows = make_rows(results)
    assert heading == ["Setting", "Task", "R@1", "R@5", "R@10", "gmean", "diff. R@1", "diff. gmean"]
    assert [(row[0], row[1]) for row in rows[:4]] == [("config", "t2v"), ("", "v2t"), ("", BOTH), ("a", "t2v")]
    for i, row in enumerate(rows):
        setting, task = divmod(i, 3)
        mean, error = values[setting].mean(axis=0)[task], values[setting].std(axis=0, ddof=1)[task] / np.sqrt(5)
        assert row[2:6] == [f"{x:.1f} ({y:.1f})" for x, y in zip(mean, error, strict=True)]
        columns = [list(COLUMNS).index(name) for name in DIFFERENCES]
        pairs = (values[setting] - values[0])[:, task, columns]
        expected = [f"{x:+.1f} ({y:.1f})" for x, y in zip(pairs.mean(0), pairs.std(0, ddof=1) / np.sqrt(5), strict=True)]
        assert row[6:] == (expected if setting else ["", ""])


def test_the_standard_error_is_that_of_a_sample():
    assert summarize([1.0, 2.0, 6.0]) == (3.0, pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3)))


def test_a_table_in_markdown_has_aligned_columns():
    lines = format_markdown([["a", "b"], ["longer", ""], ["", "c"]]).splitlines()
    assert lines == ["| a      | b |", "| ------ | - |", "| longer |   |", "|        | c |"]


def test_a_setting_has_a_name_and_overrides():
    assert Setting.parse("more dropout: a.b=0.2  c=[1,2]") == Setting("more dropout", ("a.b=0.2", "c=[1,2]"))
    assert Setting.parse('loss: loss={"type":"X"}').overrides == ('loss={"type":"X"}',)
    for text in ("a.b=1", ": a=1", "name: ", "name:a=1"):
        with pytest.raises(InputError, match=f"--compare '{re.escape(text)}': expected 'NAME: KEY=VALUE ...'"):
            Setting.parse(text)
