"""`misc/compare.py`: its output, files and refusals."""

import json
from pathlib import Path

import pytest
from helpers.commands import CONFIG, MODELS, train
from helpers.compared_runs import write_experiment, write_run

import train as train_command
from misc import compare


def test_trainings_are_compared(run):
    for margin, seeds in (("0.2", ()), ("0.4", ("--seeds", "0,1"))):
        options = ("--set", f"name=margin-{margin}", "--set", f"loss.args.margin={margin}", "--set", "trainer.epochs=1")
        code, _, err = run(train_command, "--config", CONFIG, *seeds, *options)
        assert code == 0, err
    models = MODELS.parent
    code, out, err = run(compare, models / "margin-0.2", f"wide={models}/margin-0.4", "--out", "page", "--metrics", "MRR")
    assert code == 0, err
    assert "split val: 10 videos, 20 captions" in out and "t2v: wide - margin-0.2" in out and "page: page/index.html" in out
    content = json.loads(Path("page/comparison.json").read_text())
    metrics = [json.loads(path.read_text()) for path in sorted((models / "margin-0.4").glob("*/seed-*/metrics.json"))]
    shown = content["groups"][1]["v2t"]["R5"]["mean"]
    assert shown == pytest.approx(sum(x["v2t_metrics"]["R5"] for x in metrics) / 2)
    assert [len(x["seeds"]) for x in content["groups"]] == [1, 2]
    assert [(x["task"], x["metric"]) for x in content["tests"]] == [("t2v", "MRR"), ("v2t", "MRR")]


def test_a_run_can_be_compared_with_its_query_bank(run):
    folder, _ = train(run, "--set", "querybank.beta=20", "--set", "trainer.epochs=1")
    code, out, err = run(compare, folder, "--querybank", "--queries", "0")
    assert code == 0, err
    assert "toy-train-ce + query bank - toy-train-ce" in out


def test_groups_of_one_config_show_the_rate_of_false_differences(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = write_experiment("ce", seeds=range(6))
    code, out, err = call(compare, experiment, "--calibrate", 3, "--metrics", "R10", "--pairs", 20)
    assert code == 0, err
    head, *lines = out.splitlines()
    assert head == "ce, 20 pairs of 3 runs each on half of the videos: share with p <= 0.05"
    assert [line.split(":")[0] for line in lines] == ["t2v R@10", "v2t R@10"]
    assert all("models " in line and "configs " in line for line in lines)
    code, out, _ = call(compare, experiment, "--calibrate", 1, "--metrics", "R10", "--pairs", 20)
    assert code == 0 and "configs" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ce"], "one group of runs: expected two or more"),
        (["ce", "moee", "--metrics", "R1,MedR"], "--metrics: found 'MedR'"),
        (["ce", "moee", "--metrics", "R1,R1"], "--metrics R1,R1: a name is there twice"),
        (["ce", "--calibrate", "1", "--to_first"], "--calibrate: found with --to_first, expected it without"),
        (["ce", "--calibrate", "1", "--hit", "5"], "--calibrate: found with --hit, expected it without"),
        (["ce", "moee", "--hit", "0"], "--hit, --pairs: expected numbers from 1"),
        (["ce", "--calibrate", "2"], "--calibrate 2: ce has 3 runs, expected 4"),
        (["ce", "--calibrate", "0"], "--calibrate 0"),
        (["ce", "moee", "--out", "file"], "--out file: a file, expected a folder"),
        (["ce", "val"], "split 'val', expected 'test'"),
        (["ce", "ce"], "expected each run in one group"),
        (["ce", "again=ce"], "in the groups ce and again, expected each run in one group"),
        (["ce", "elsewhere"], "elsewhere: not there"),
    ],
)
def test_what_cannot_be_compared_is_refused(refused, arguments, message):
    for name in ("ce", "moee"):
        for seed in range(3):
            write_run(Path(name, "t", f"seed-{seed}"), seed, config={"name": name})
    write_run(Path("val", "t"), change={"split": "val"})
    Path("file").write_text("")
    assert message in refused(compare, *arguments)
