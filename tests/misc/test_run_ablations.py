"""Suites of experiments: what is run, what is not run again, the study of the leak, the tables."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import MODELS
from helpers.markdown_tables import figure
from helpers.markdown_tables import tables as tables_of
from helpers.toy_suite import BLOCKS, PAGE, SUITE, TABLES, write_suite

import test as test_command
import train as train_command
from base.checkpoint import load_checkpoint
from base.runs import list_runs
from misc import gen_readme, run_ablations
from misc.reporting import ablations, tables
from misc.reporting.results import find_evaluation
from misc.reporting.tables import ABLATION_COLUMNS, ResultsTable
from trainer.trainer import Trainer


@pytest.fixture
def suite(run, monkeypatch):
    """Run the suite in this process: (exit code, output, errors), and the commands that it ran."""
    write_suite()
    monkeypatch.setattr(tables, "TABLES", TABLES)
    commands = []

    def run_jobs(jobs, parallel):
        failures = []
        for job in jobs:
            commands.append(job.arguments)
            command = {"train.py": train_command, "test.py": test_command}[job.arguments[0]]
            code, _, err = run(command, *job.arguments[1:])
            failures += [f"{job.name}: exit code {code}, {err.strip()}"] if code else []
        return failures

    monkeypatch.setattr(ablations, "run_jobs", run_jobs)

    def suite(*arguments):
        commands.clear()
        return *run(run_ablations, *SUITE, *arguments), list(commands)

    return suite


def runs_of(experiment):
    return list_runs(MODELS.with_name(experiment))


def check_leak_table(rows):
    """Every model by every score, from what test.py wrote."""
    labels = [(row["Trained with"], row["Scored with"], row["Task"]) for row in rows]
    scores = ("pairwise", "paired-2019 (leaky)")
    assert labels == [(x, y, task) for task in ("t2v", "v2t") for x in ("pairwise", "paired-2019") for y in scores]
    found = {}
    for path in Path("data/saved/log").glob("*/*/metrics.json"):
        about = json.loads(path.read_text())
        key = ("paired-2019" if "paired-2019" in path.parts[3] else "pairwise", about["leaky"])
        found.setdefault(key, []).append(about)
    for row in rows:
        seeds = found[row["Trained with"], "leaky" in row["Scored with"]]
        assert sorted(x["seed"] for x in seeds) == [0, 1]
        for name, column in ABLATION_COLUMNS.items():
            values = [x[f"{row['Task']}_metrics"][name] for x in seeds]
            assert figure(row[column]) == [float(f"{np.mean(values):.1f}"), float(f"{np.std(values, ddof=1):.1f}")]
    # With the similarity of the training, the study gives the metrics at the end of the training.
    for experiment, key in (("toy-train-ce", ("pairwise", False)), ("toy-train-ce-paired-2019", ("paired-2019", True))):
        (run,) = runs_of(experiment)
        for about in found[key]:
            end = json.loads((run / f"seed-{about['seed']}" / "metrics.json").read_text())
            assert about["t2v_metrics"] == pytest.approx(end["t2v_metrics"])
    assert found["pairwise", True][0]["t2v_metrics"] != found["pairwise", False][0]["t2v_metrics"]


def test_a_suite_is_trained_scored_and_its_tables_filled_in(suite):
    code, _, err, commands = suite()
    assert (code, err) == (0, "")
    options = ("--seeds", "0,1", "--resume", "auto")
    names = ("ce", "rgb", "ce-paired-2019")
    assert commands[:3] == [("train.py", "--config", f"configs/toy/train-{name}.json", *options) for name in names]
    scored = {
        (str(run / f"seed-{seed}" / "trained_model.pth"), similarity)
        for name in ("toy-train-ce", "toy-train-ce-paired-2019")
        for run in runs_of(name)
        for seed in (0, 1)
        for similarity in ("pairwise", "paired-2019")
    }
    assert {(x[2], x[4]) for x in commands[3:]} == scored and len(commands) == 3 + 8 and len(scored) == 8

    found = tables_of(Path(PAGE).read_text())
    rows = found["toy-designs"]
    assert [(row["A"], row["B"], row["Task"]) for row in rows] == [
        (*label, task) for task in ("t2v", "v2t") for label in (("CE", "2"), ("RGB", "1"))
    ]
    for row in rows:
        task = row["Task"]
        (run,) = runs_of({"CE": "toy-train-ce", "RGB": "toy-train-rgb"}[row["A"]])
        seeds = [json.loads((run / f"seed-{seed}" / "metrics.json").read_text()) for seed in (0, 1)]
        for name, column in ABLATION_COLUMNS.items():
            values = [seed[f"{task}_metrics"][name] for seed in seeds]
            assert figure(row[column]) == [float(f"{np.mean(values):.1f}"), float(f"{np.std(values, ddof=1):.1f}")]
        weights = load_checkpoint(run / "seed-0" / "trained_model.pth")["state_dict"]
        buffers = ("running_mean", "running_var", "num_batches_tracked")
        number = sum(x.numel() for key, x in weights.items() if not key.endswith(buffers))
        assert row["Params"] == f"{number / 1000:.2f}k"
    check_leak_table(found["toy-leak"])


def test_what_is_done_is_not_done_again_and_what_changed_is(suite, run):
    suite()
    text = Path(PAGE).read_text()
    code, out, _, commands = suite("--dry_run")
    assert code == 0 and commands == [] and out.count(": done, ") == 3 and "python" not in out
    code, out, _, commands = suite()
    assert code == 0 and commands == [] and Path(PAGE).read_text() == text
    _, out, _ = run(run_ablations, "--suite", "toy", "--seeds", "0,1,2", "--dry_run")
    assert out.count(": to train") == 3  # other seeds are other runs
    assert out.count("python test.py --resume") == out.count("/<time>/seed-") == 2 * 3 * 2

    (rgb,) = runs_of("toy-train-rgb")
    (rgb / "summary.json").unlink()
    shutil.rmtree(rgb / "seed-1")
    (ce,) = runs_of("toy-train-ce")
    os.utime(ce / "seed-1" / "trained_model.pth")  # written again, so what was scored was another
    code, out, _, commands = suite("--dry_run")
    assert f"toy-train-rgb: to resume in {rgb}" in out and commands == []
    assert "python train.py --config configs/toy/train-rgb.json --seeds 0,1 --resume auto" in out
    assert out.count(f"python test.py --resume {ce}/seed-1/trained_model.pth --similarity") == 2
    code, _, _, commands = suite()
    assert code == 0 and len(commands) == 3 and Path(PAGE).read_text() == text
    assert runs_of("toy-train-rgb") == [rgb] and (rgb / "summary.json").exists()

    config = Path("configs/toy/train-rgb.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"loss": {"args": {"margin": 0.3}}}))
    code, _, _, commands = suite()
    assert code == 0 and [x[2] for x in commands] == [str(config)] and len(runs_of("toy-train-rgb")) == 2


def test_failures_do_not_stop_the_others_and_are_told(suite):
    Path("configs/toy/train-rgb.json").write_text(
        json.dumps({"inherit_from": "configs/toy/train-ce.json", "optimizer": {"args": {"lr": 1e30}}})
    )
    code, out, err, commands = suite()
    assert code == 1 and len(commands) == 3 + 8
    assert err.startswith("error: toy-train-rgb: exit code 2, error: epoch 1, step 2 of 3: the loss is NaN")
    assert err.count("\n") == 1
    assert "1 failed, no table was filled in" in out and Path(PAGE).read_text() == BLOCKS
    Path("configs/toy/train-rgb.json").write_text("{")
    code, _, err, commands = suite()
    assert code == 2 and "configs/toy/train-rgb.json: not a JSON config" in err and commands == []


def test_refuses_what_makes_no_table(suite, refused):
    message = refused(run_ablations, "--suite", "toy", "--seeds", "3")
    assert "--seeds 3: expected two or more" in message
    assert "--jobs 0: expected 1 or more" in refused(run_ablations, *SUITE, "--jobs", "0")
    assert "--seeds 1,x: expected different whole numbers" in refused(run_ablations, "--suite", "toy", "--seeds", "1,x")


def test_an_evaluation_counts_only_if_it_is_of_this_checkpoint_split_and_config(suite, run):
    code, _, err = run(train_command, "--config", "configs/toy/train-ce.json")
    assert code == 0, err
    (folder,) = runs_of("toy-train-ce")
    best = folder / "trained_model.pth"
    for options in (["--split", "val"], ["--set", "data_loader.args.num_test_captions=1"], ["--similarity", "paired-2019"]):
        assert run(test_command, "--resume", best, *options)[0] == 0
    shutil.copy(best, "copy.pth")
    assert run(test_command, "--resume", "copy.pth")[0] == 0
    assert find_evaluation(best, "pairwise") is None
    assert run(test_command, "--resume", best.resolve())[0] == 0  # by another name of the same file
    path = find_evaluation(best, "pairwise")
    assert json.loads(path.read_text())["split"] == "test" and not json.loads(path.read_text())["leaky"]
    assert json.loads(find_evaluation(best, "paired-2019").read_text())["leaky"]
    os.utime(path, (0, 0))
    assert find_evaluation(best, "pairwise") is None


def test_what_is_missing_is_left_out_and_a_leaky_run_is_no_result(suite, run, refused, monkeypatch):
    suite()
    for path in Path("data/saved/log/toy-train-ce").glob("*/metrics.json"):
        if json.loads(path.read_text())["leaky"]:
            path.unlink()
    code, out, _ = run(gen_readme, "--tables", "toy-leak")
    assert code == 0 and "toy-leak: pairwise scored paired-2019: left out" in out
    rows = tables_of(Path(PAGE).read_text())["toy-leak"]
    assert [(row["Trained with"], row["Scored with"]) for row in rows if row["Task"] == "t2v"] == [
        ("pairwise", "pairwise"),
        ("paired-2019", "pairwise"),
        ("paired-2019", "paired-2019 (leaky)"),
    ]
    (folder,) = runs_of("toy-train-ce")
    for seed in (0, 1):
        path = folder / f"seed-{seed}" / "metrics.json"
        about = json.loads(path.read_text())
        del about["parameters"]
        path.write_text(json.dumps(about))
    assert run(gen_readme, "--tables", "toy-designs")[0] == 0
    (row, *_) = tables_of(Path(PAGE).read_text())["toy-designs"]
    assert row["Params"] == "-"
    leaky = ResultsTable(PAGE, {"CE": "toy-train-ce-paired-2019"})
    monkeypatch.setattr(tables, "TABLES", {"toy-designs": leaky})
    assert "used the leaky similarity, which is no result" in refused(gen_readme, "--tables", "toy-designs")


def test_control_c_stops_the_trainings_and_they_go_on(suite, run, monkeypatch):
    """As of processes in `tests/nightly/test_run_ablations.py`."""

    def interrupt(self, epoch, *args):
        if self.config["seed"] == 1:
            raise KeyboardInterrupt
        return train_epoch(self, epoch, *args)

    def run_jobs_until_control_c(jobs, parallel):
        assert run(train_command, *jobs[0].arguments[1:])[0] == 0
        patched.setattr(Trainer, "_train_epoch", interrupt)
        assert run(train_command, *jobs[1].arguments[1:])[0] == 130
        raise KeyboardInterrupt

    train_epoch = Trainer._train_epoch
    with monkeypatch.context() as patched:
        patched.setattr(ablations, "run_jobs", run_jobs_until_control_c)
        code, out, err, _ = suite("--jobs", "2")
    assert (code, err) == (130, "interrupted\n")
    assert "resume with: python misc/run_ablations.py --suite toy --seeds 0,1 --jobs 2" in out
    begun = {name: runs_of(name) for name in ("toy-train-ce", "toy-train-rgb")}
    code, out, _, commands = suite()
    assert code == 0 and "page.md: written" in out
    assert [x[2] for x in commands if x[0] == "train.py"] == [
        f"configs/toy/train-{x}.json" for x in ("rgb", "ce-paired-2019")
    ]
    assert {name: runs_of(name) for name in begun} == begun and all(map(len, begun.values()))  # in the same folders
    assert {*tables_of(Path(PAGE).read_text())} == set(TABLES)
