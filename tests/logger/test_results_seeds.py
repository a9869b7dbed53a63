"""The summary of a run of several seeds."""

import json
import logging

import pytest

from logger.results import report_seeds


def run_of(seed, r1, **changed):
    metrics = {"t2v_metrics": {"R1": r1, "MedR": 2.0}, "v2t_metrics": {"R1": 2 * r1, "MedR": 3.0}}
    run = {"seed": seed, "split": "val", "leaky": False, "config": "c.json", "v2t_ties": "expected", **metrics}
    return run | {"environment": {"torch": "1"}, "videos": 100} | changed


def summary(folder, *runs):
    report_seeds(folder, runs)
    return json.loads((folder / "summary.json").read_text())


def test_mean_and_sample_deviation_of_each_metric(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        found = summary(tmp_path, run_of(0, 1.0), run_of(1, 2.0), run_of(2, 6.0))
    assert found["mean"]["t2v_metrics"] == {"R1": 3.0, "MedR": 2.0} and found["mean"]["v2t_metrics"]["R1"] == 6.0
    assert found["std"]["t2v_metrics"] == {"R1": pytest.approx(7**0.5), "MedR": 0.0}  # (4 + 1 + 9) / 2
    assert (found["seeds"], found["v2t_ties"], found["environments"]) == ([0, 1, 2], "expected", [{"torch": "1"}])
    assert "3 seeds, split val, mean (std):" in caplog.text and "3.0 (2.6)" in caplog.text and "LEAKY" not in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    assert summary(tmp_path, run_of(4, 1.0))["std"]["t2v_metrics"] == {"R1": 0.0, "MedR": 0.0}


def test_what_makes_seeds_hard_to_compare_is_kept_and_named(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        leaky = {"leaky": True, "environment": {"torch": "2"}}
        found = summary(tmp_path, *(run_of(i, 1.0, v2t_ties=x, **leaky) for i, x in enumerate(["published", "expected"])))
        other = summary(tmp_path, run_of(0, 1.0), run_of(1, 1.0, environment={"torch": "2"}), run_of(2, 1.0))
    assert "v2t_ties differs between seeds (expected, published)" in caplog.text
    assert (found["v2t_ties"], found["leaky"]) == ("expected, published", True)
    assert "split val (LEAKY similarity paired-2019), mean (std):" in caplog.text
    assert other["environments"] == [{"torch": "1"}, {"torch": "2"}]
