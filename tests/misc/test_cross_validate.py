"""Cross-validation as a command: what is trained on what, the table, what is not run again, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import CONFIG

import train as train_command
from base.runs import list_runs
from misc import cross_validate
from misc.reporting import fold_trainings
from misc.reporting.ridge import ridge_results

FOLDS = Path("data/saved/folds/toy-train-ce")
LR = "optimizer.args.lr=0.002"
ARGUMENTS = ("--config", CONFIG, "--folds", "2")


@pytest.fixture
def validate(run, monkeypatch):
    """Cross-validate in this process: (exit code, output, errors), and the trainings that were run."""
    path = Path(CONFIG)
    config = json.loads(path.read_text())
    config["trainer"]["epochs"] = 2
    path.write_text(json.dumps(config | {"test_split": "test"}))
    commands = []

    def run_jobs(jobs, parallel):
        failures = []
        for job in jobs:
            commands.append(job)
            code, _, err = run(train_command, *job.arguments[1:])
            failures += [f"{job.name}: exit code {code}, {err.strip()}"] if code else []
        return failures

    monkeypatch.setattr(fold_trainings, "run_jobs", run_jobs)

    def validate(*arguments):
        commands.clear()
        return *run(cross_validate, *ARGUMENTS, *arguments), list(commands)

    return validate


def cells(out):
    """Return the rows of the printed table, by setting and task."""
    found, setting = {}, ""
    for line in out.splitlines():
        if line.startswith("| ") and not line.startswith(("| Setting", "| ---")):
            name, task, *values = (x.strip() for x in line.strip("|").split("|"))
            setting = name or setting
            found[setting, task] = values
    return found


def runs():
    """Return `metrics.json`, `config.json` and `ranks.json` of each complete run."""
    (root,) = FOLDS.iterdir()
    names = ("metrics.json", "config.json", "ranks.json")
    return [[json.loads((x / name).read_text()) for name in names] for x in list_runs(root / "models/toy-train-ce")]


def test_every_fold_is_validated_once_and_the_test_split_never(validate, workplace):
    (workplace.folder / "test_list.txt").write_text("".join(f"{x}\n" for x in [*workplace.lists["test_list.txt"], "gone"]))
    code, out, err, commands = validate("--seeds", "0,1", "--set", LR, "--out", "table.md")
    assert (code, err, len(commands)) == (0, "", 8)
    (root,) = FOLDS.iterdir()
    pool, validated = {*workplace.lists["train_list.txt"], *workplace.lists["val_list.txt"]}, []
    for k in range(2):
        train, val = ((root / str(k) / "symlinked-feats" / f"{x}_list.txt").read_text().split() for x in ("train", "val"))
        assert {*train}.isdisjoint(val) and {*train, *val} == pool and len(val) == 17
        validated += val
        of_fold = [ranks for _, config, ranks in runs() if config["data_loader"]["args"]["data_dir"] == str(root / str(k))]
        assert [ranks["videos"] for ranks in of_fold] == [val] * 4
    assert {*validated} == pool and len(validated) == len(pool)

    table = cells(out)
    assert table.keys() == {(setting, task) for setting in ("config", LR) for task in ("t2v", "v2t", "both")}
    by_fold = {"config": [[], []], LR: [[], []]}
    for metrics, config, _ in runs():
        name = LR if config["optimizer"]["args"]["lr"] == 0.002 else "config"
        k = int(Path(config["data_loader"]["args"]["data_dir"]).name)
        assert metrics["split"] == "val" and metrics["validation"]["val_t2v_metrics_R1"] == metrics["t2v_metrics"]["R1"]
        names = ("R1", "R5", "R10", "geometric_mean_R1-R5-R10")
        by_fold[name][k].append([[metrics[f"{task}_metrics"][x] for x in names] for task in ("t2v", "v2t")])
    values = {name: np.array(x).mean(axis=1) for name, x in by_fold.items()}  # fold, task, metric
    values = {name: np.concatenate([x, x.mean(axis=1, keepdims=True)], axis=1) for name, x in values.items()}
    assert all(x.shape == (2, 3, 4) for x in values.values())

    def text(x, sign=""):
        return [f"{a:{sign}.1f} ({b:.1f})" for a, b in zip(x.mean(0), x.std(0, ddof=1) / 2**0.5, strict=True)]

    for i, task in enumerate(("t2v", "v2t", "both")):
        assert table["config", task] == [*text(values["config"][:, i]), "", ""]
        difference = (values[LR] - values["config"])[:, i][:, [0, 3]]
        assert table[LR, task] == [*text(values[LR][:, i]), *text(difference, "+")]
    assert Path("table.md").read_text() in out


def test_what_is_complete_is_not_run_again_and_keeps_no_checkpoint(validate):
    code, first, _, commands = validate("--compare", f"slow: {LR}", "--querybank")
    assert code == 0 and len(commands) == 4
    names = ("config", "config + query bank", "slow", "slow + query bank")
    assert [*cells(first)] == [(name, task) for name in names for task in ("t2v", "v2t", "both")]
    banks = [
        metrics["t2v_querybank_metrics"]["R1"] for metrics, config, _ in runs() if config["optimizer"]["args"]["lr"] == 0.01
    ]
    assert cells(first)["config + query bank", "t2v"][0].startswith(f"{np.mean(banks):.1f} (")
    assert not [*FOLDS.rglob("*.pth")] and not Path("data/saved/models").exists() and Path("data/Toy/cache").is_dir()
    assert not [*FOLDS.rglob("cache")]  # those of the archive are shared
    code, out, _, commands = validate("--compare", f"slow: {LR}", "--querybank", "--dry_run")
    assert code == 0 and commands == [] and "python train.py" not in out and cells(out) == cells(first)

    code, out, _, commands = validate("--querybank", "--seeds", "0,1", "--dry_run")
    assert code == 0 and commands == [] and out.count("python train.py") == 2 and "seed=1" in out and not cells(out)
    code, _, _, commands = validate("--querybank", "--seeds", "1,0")
    assert code == 0 and [job.name for job in commands] == ["config, fold 0, seed 1", "config, fold 1, seed 1"]

    _, out, _, _ = validate("--querybank", "--compare", "sharper: querybank.beta=50", "--dry_run")
    assert out.count(" --set 'querybank={}' --set querybank.beta=50 ") == out.count("python train.py") == 2

    (root,) = FOLDS.iterdir()
    run = list_runs(root / "models/toy-train-ce")[0]
    (run / "metrics.json").unlink()
    code, _, _, commands = validate("--querybank", "--seeds", "1,0")
    assert code == 0 and len(commands) == 1
    assert len(list_runs(root / "models/toy-train-ce")) == 6  # resumed in the same folder
    Path("groups.txt").write_text("video0 a\nvideo1 a\n")
    assert validate("--groups", "groups.txt", "--dry_run")[1].count("python train.py") == 2  # other folds
    assert not [*FOLDS.rglob("*.pth")]


def test_beta_is_not_chosen_where_the_config_would_choose_it(validate):
    """The split that it would be chosen on is the fold, which is evaluated."""
    config = json.loads(Path(CONFIG).read_text())
    Path(CONFIG).write_text(json.dumps(config | {"querybank": {"choose_beta": True, "beta": 7}}))
    code, _, err, _ = validate("--querybank", "--set", "querybank.method=inverted_softmax")
    assert code == 0, err
    assert {json.dumps(metrics["querybank"]["beta"]) for metrics, *_ in runs()} == {'{"t2v": 7.0, "v2t": 7.0}'}
    assert not any(config["querybank"]["choose_beta"] for _, config, _ in runs())


def test_the_linear_map_is_a_row(validate, workplace):
    rng = np.random.default_rng(0)
    for video, x in workplace.features["rgb"].items():  # with less noise, it would find everything in any split
        workplace.features["rgb"][video] = x + 3 * x.std() * rng.normal(size=x.shape).astype(x.dtype)
    workplace.write()
    code, out, _, _ = validate("--ridge")
    assert code == 0
    (root,) = FOLDS.iterdir()
    expected = []
    for k in range(2):
        for name in ("train_list.txt", "val_list.txt"):
            target = Path("data/Toy/symlinked-feats", name)
            target.write_text((root / str(k) / "symlinked-feats" / name).read_text())
        target.with_name("test_list.txt").write_text(target.read_text())
        expected.append(ridge_results(CONFIG, "rgb"))
    for task in ("t2v", "v2t"):
        for i, metric in enumerate(("R1", "R5", "R10")):
            mean = np.mean([found[f"{task}_metrics"][metric] for found in expected])
            assert cells(out)["ridge", task][i].startswith(f"{mean:.1f} (")


def test_a_failure_is_a_line_and_leaves_a_setting_out(validate):
    code, out, err, commands = validate("--compare", "wild: optimizer.args.lr=1e30", "--compare", f"slow: {LR}")
    assert code == 1 and len(commands) == 6
    assert err.startswith("error: wild, fold 0, seed 0: exit code 2, error: epoch 1") and err.count("\n") == 2
    assert [*cells(out)] == [(name, task) for name in ("config", "slow") for task in ("t2v", "v2t", "both")]
    assert "2 trainings failed; after fixing that, resume with: python misc/cross_validate.py --config" in out
    config = json.loads(Path(CONFIG).read_text())
    Path(CONFIG).write_text(json.dumps(config | {"optimizer": {"type": "Adam", "args": {"lr": 1e30}}}))
    code, out, _, _ = validate("--set", LR)
    assert code == 1 and not cells(out)  # nothing to compare with


def test_control_c_prints_the_command_that_resumes(validate, run, monkeypatch):
    def interrupted(jobs, parallel):
        assert run(train_command, *jobs[0].arguments[1:])[0] == 0
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fold_trainings, "run_jobs", interrupted)
        code, out, err, _ = validate("--set", LR)
    assert (code, err) == (130, "interrupted\n")
    assert f"resume with: python misc/cross_validate.py --config {CONFIG} --folds 2 --set {LR}" in out
    code, _, _, commands = validate()
    assert code == 0 and [job.name for job in commands] == ["config, fold 1, seed 0"]


def test_refusals(validate, refused):
    def message(*arguments):
        return refused(cross_validate, *ARGUMENTS, *arguments)

    assert "--folds 1: expected 2 or more" in message("--folds", "1")
    assert "--folds 35: found 34 groups, expected as many or more" in message("--folds", "35")
    assert "--jobs 0: expected 1 or more" in message("--jobs", "0")
    assert "--out none/table.md: expected a file in a folder that exists" in message("--out", "none/table.md")
    assert "--seeds 1,1: expected different" in message("--seeds", "1,1")
    assert "the name is there twice" in message("--compare", "a: seed=1", "--compare", "a: seed=2")
    assert "a: seed=1: cross-validation sets seed" in message("--compare", "a: seed=1")
    assert "optimizer.args.lr: found 'fast'" in message("--set", "optimizer.args.lr=fast")
    assert "did you mean 'optimizer'" in message("--set", "optimiser.args.lr=0.1")
    assert "arch.args.vlad_clusters.text: 0 is for averaged" in message("--set", "arch.args.vlad_clusters.text=0")
    assert "optimizer.args" in message("--set", 'optimizer.args={"lr": -1}')
    assert "loss.args" in message("--set", 'loss.args={"hardest_negatives": true, "fix_norm": false}')
    assert "cross-validation sets data_loader.args.split_name" in message("--set", "data_loader.args.split_name=test")
    assert "no querybank, expected one" in message("--set", "querybank=null", "--querybank")
    assert "the fold that it would be chosen on is evaluated" in message("--set", "querybank.choose_beta=true")
    for name in ("ridge", "slow + query bank"):
        assert "the name of a row that the table has anyway" in message("--compare", f"{name}: {LR}")
    assert "groups.txt: cannot be read" in message("--groups", "groups.txt")
    config = json.loads(Path(CONFIG).read_text())
    Path(CONFIG).write_text(json.dumps(config | {"metrics": ["t2v_metrics"]}))
    assert "metrics: no v2t_metrics, expected both directions" in message()
    Path(CONFIG).write_text(json.dumps(config | {"test_split": "val"}))
    assert "best epoch is selected on the test split 'val'" in message()
    Path(CONFIG).unlink()
    assert CONFIG in message()
