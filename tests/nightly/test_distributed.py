"""Commands in several processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, weights
from helpers.daily import cases_of_today
from helpers.paths import ROOT

import test as test_command
import train as train_command
from base.checkpoint import load_checkpoint

# Not Adam: it takes large steps even if a gradient is only rounding errors.
ARGUMENTS = ("--config", CONFIG, "--set", "optimizer.type=SGD", "--set", "optimizer.args.lr=0.5")


def start(processes, *arguments, script="train.py", **environment):
    """Run a command with torchrun; return the exit code, standard output and lines of our processes on standard error."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(
        [*command, str(ROOT / script), *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    ours, _, _ = done.stderr.partition('Traceback (most recent call last):\n  File "<frozen runpy>"')  # torchrun's own
    lines = [line for line in ours.splitlines() if "torch/distributed/" not in line]
    return done.returncode, done.stdout, lines


def one_run():
    """Return the folder of the only run."""
    (folder,) = MODELS.iterdir()
    return folder


def move_run(name):
    """Rename the folder of the only run and return it."""
    return one_run().rename(Path(name))


def results(folder):
    """Return the content of `metrics.json` without values that differ between runs."""
    content = json.loads((folder / "metrics.json").read_text())
    del content["checkpoint"], content["environment"], content["training_environment"]
    del content["validation"]["steps_per_second"]
    del content["validation"]["loss"]
    return content


def assert_close_weights(one, other):
    torch.testing.assert_close(weights(one), weights(other), rtol=1e-5, atol=1e-5)


@pytest.fixture
def whole(workplace, run):
    """Return the folder of a run in one process."""
    assert run(train_command, *ARGUMENTS)[0] == 0
    return move_run("whole")


def test_no_process_outlives_torchrun(workplace):
    command = [sys.executable, "-u", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(ROOT / "train.py"), *ARGUMENTS, "--set", "trainer.epochs=100000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}, **pipes) as launcher:
        for line in launcher.stdout:
            if line.startswith("epoch 2/"):
                break
        launcher.kill()
        _, err = launcher.communicate(timeout=30)  # returns when the last process has ended
    assert "received SIGTERM" in err


@pytest.mark.share
def test_two_processes_have_the_results_of_one(whole):
    code, out, err = start(2, *ARGUMENTS)
    assert code == 0 and err == []
    folder = one_run()
    assert results(folder) == results(whole)
    for name in ("trained_model.pth", *(f"checkpoint-epoch{epoch}.pth" for epoch in (1, 2, 3))):
        assert_close_weights(folder / name, whole / name)
    for words in ("device: CPU", "epoch 1/3", "epoch 3/3", "checkpoint data", "metrics: "):
        assert out.count(words) == 1
    log = Path("data/saved/log") / folder.parent.name / folder.name
    assert sorted(path.name.partition(".")[0] for path in log.iterdir()) == ["events", "info"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in whole.iterdir())

    code, out, err = start(3, "--resume", folder / "trained_model.pth", script="test.py")
    assert code == 0 and err == [] and out.count("metrics: ") == 1
    (log,) = [path for path in log.parent.iterdir() if not (path / "events").exists() and (path / "metrics.json").exists()]
    tested = json.loads((log / "metrics.json").read_text())
    assert all(tested[key] == results(whole)[key] for key in ("t2v_metrics", "v2t_metrics", "videos", "captions"))


def test_two_processes_start_from_the_weights_of_another_model(whole, run):
    """The temperature of the loss is trained too. Its division magnifies rounding, hence the low rate and few epochs."""
    options = (*ARGUMENTS, "--init_from", whole / "trained_model.pth", "--set", 'loss={"type": "ContrastiveLoss"}')
    options += ("--set", "optimizer.args.lr=0.02", "--set", "trainer.epochs=2")
    assert run(train_command, *options)[0] == 0
    one = move_run("one")
    code, out, err = start(2, *options)
    assert code == 0 and err == [] and out.count("init_from whole/trained_model.pth") == 1
    two = one_run()
    assert_close_weights(one / "checkpoint-epoch2.pth", two / "checkpoint-epoch2.pth")
    losses = [load_checkpoint(folder / "checkpoint-epoch2.pth")["loss_state_dict"] for folder in (one, two)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-5)


def test_three_processes_share_a_query_bank(whole, run):
    arguments = ("--resume", whole / "trained_model.pth", "--split", "test", "--querybank", "val")
    assert run(test_command, *arguments)[0] == 0
    code, out, err = start(3, *arguments, script="test.py")
    assert code == 0 and err == [] and out.count("query bank of 48 captions and 24 videos") == 1
    one, three = (json.loads(path.read_text()) for path in Path("data/saved/log").glob("*/*/metrics.json"))
    for key in ("t2v_querybank_metrics", "v2t_querybank_metrics", "querybank", "hubness"):
        assert one[key] == three[key]


@pytest.mark.parametrize(("victim", "busy"), cases_of_today([("0", ""), ("1", ""), ("1", "yes")], 3))
def test_a_killed_process_ends_the_others_and_the_run_can_be_resumed(whole, victim, busy):
    arguments = (*ARGUMENTS, *(("--set", "data_loader.args.num_workers=1") if busy else ()))
    code, _, err = start(
        2, *arguments, script="tests/helpers/faulty_train.py", FAULT="killed", VICTIM=victim, EPOCH="3", BUSY=busy
    )
    assert code != 0
    (line,) = err
    reason = "received SIGTERM" if busy else "(lost another process|received SIGTERM)"
    assert re.match(f"error: process {1 - int(victim)} of 2 {reason}.* --resume auto", line)
    assert sorted(path.name for path in one_run().glob("*.pth"))[:2] == ["checkpoint-epoch1.pth", "checkpoint-epoch2.pth"]
    code, out, err = start(1 + int(victim), *arguments, "--resume", "auto")
    assert code == 0 and err == []
    assert "epoch 3/3" in out and "epoch 2/3" not in out
    assert results(one_run()) == results(whole)
    assert_close_weights(one_run() / "checkpoint-epoch3.pth", whole / "checkpoint-epoch3.pth")


def test_seeds_are_resumed_as_if_nothing_had_happened(workplace):
    seeds = (*ARGUMENTS, "--seeds", "0,1", "--set", "trainer.epochs=2")
    assert start(2, *seeds)[0] == 0
    whole = move_run("whole")
    code, _, err = start(2, *seeds, script="tests/helpers/faulty_train.py", FAULT="interrupted", EPOCH="2", SEED="1")
    assert code != 0 and err == ["interrupted"]
    code, out, err = start(2, *seeds, "--resume", "auto")
    assert code == 0 and err == [] and out.count("seed 0 is done") == out.count("epoch 2/2") == 1
    assert json.loads((one_run() / "summary.json").read_text()) == json.loads((whole / "summary.json").read_text())
    for seed in ("seed-0", "seed-1"):
        assert_equal_weights(one_run() / seed / "checkpoint-epoch2.pth", whole / seed / "checkpoint-epoch2.pth")


def test_two_processes_resume_a_checkpoint_of_one(whole):
    moved_back = MODELS / "2020-01-01_00-00-00"
    whole.rename(moved_back)
    (moved_back / "checkpoint-epoch3.pth").rename("checkpoint-epoch3.pth")
    code, out, _ = start(2, *ARGUMENTS, "--resume", moved_back / "checkpoint-epoch2.pth")
    assert code == 0 and one_run() == moved_back and "epoch 2/3" not in out
    assert_close_weights(moved_back / "checkpoint-epoch3.pth", "checkpoint-epoch3.pth")


@pytest.mark.parametrize(
    ("fault", "victim", "line"),
    cases_of_today(
        [
            ("refused", {}, "error: file: found 3, expected 4"),
            ("refused", {"VICTIM": "1"}, "error: file: found 3, expected 4"),
            (
                "slow",
                {"VICTIM": "1", "TIMEOUT": "3"},
                "error: process 0 of 2 got no response from another process for 0:00:03",
            ),
            ("interrupted", {}, "interrupted"),
        ],
        2,
    ),
)
def test_an_error_is_reported_once(workplace, fault, victim, line):
    code, out, err = start(2, *ARGUMENTS, script="tests/helpers/faulty_train.py", FAULT=fault, EPOCH="2", **victim)
    assert code != 0 and len(err) == 1 and err[0].startswith(line)
    hint = f"torchrun --standalone --nproc_per_node 2 train.py --resume {one_run()}/checkpoint-epoch1.pth"
    assert (hint in out) == (fault == "interrupted")


def test_bad_input_is_reported_once_and_leaves_no_files(workplace):
    mistakes = [
        ("arch.args.randomise_feats=audio", "arch.args.randomise_feats: found 'audio', expected none with 2 processes"),
        ("data_loader.args.batch_size=1", "data_loader.args.batch_size: 1, expected a video for each of 2 processes"),
        ("data_loader.args.batch_size=99", "fewer than data_loader.args.batch_size 99"),
    ]
    for argument, words in cases_of_today(mistakes, 3):
        code, out, err = start(2, *ARGUMENTS, "--set", argument)
        assert code != 0 and len(err) == 1 and err[0].startswith("error: ") and words in err[0]
    assert not Path("data/saved").exists()
    code, _, err = start(2, "--epochs", "3")
    assert code != 0 and sum("unrecognized arguments" in line for line in err) == 1
