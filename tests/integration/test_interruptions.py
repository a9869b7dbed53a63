"""Ctrl-C and SIGTERM in a training: what is saved, and resuming as if nothing had happened."""

import json
import os
import re
import signal

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train, trained

import test as test_command
import train as train_command
from trainer import trainer as trainer_module
from trainer.loop_helpers import LossSum

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.fixture(autouse=True)
def usual_handler():
    """Handle Ctrl-C even if CI ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
@pytest.mark.parametrize("moment", ["step", "evaluation"])
def test_a_signal_saves_the_partial_epoch(run, monkeypatch, number, code, word, moment):
    settings = ("--disable_workers", "--set", "trainer.accumulate=2", "--set", "trainer.save_period=3")
    whole, out_of_whole = trained(run, *settings)
    steps = []
    before = set(MODELS.glob("*"))
    with monkeypatch.context() as patched:
        add, evaluate = LossSum.add, trainer_module.evaluate

        def record(self, loss, step):
            steps.append(step)
            if len(steps) == 4 and moment == "step":
                os.kill(os.getpid(), number)
            add(self, loss, step)

        def interrupted(*args, **settings_of_run):
            if len(steps) == 6 and moment == "evaluation":
                os.kill(os.getpid(), number)
            return evaluate(*args, **settings_of_run)

        patched.setattr(LossSum, "add", record)
        patched.setattr(trainer_module, "evaluate", interrupted)
        ended, out, err = run(train_command, "--config", CONFIG, *settings)
    (part,) = set(MODELS.glob("*")) - before
    path = part / "interrupted.pth"
    assert (ended, err) == (code, f"{word}\n") and f"resume with: python train.py --resume {path}" in out
    saved = torch.load(path, weights_only=True)
    done = {"evaluation": 3, "step": 2}[moment]  # of the three steps of the second epoch
    assert (saved["epoch"], saved["begun"]["step"], len(steps)) == (2, done, 3 + done)
    assert run(test_command, "--resume", path)[0] == 0

    with monkeypatch.context() as patched:
        patched.setattr(LossSum, "add", lambda self, loss, step: (steps.append(step), add(self, loss, step)))
        ended, out, err = run(train_command, "--resume", path)
    assert ended == 0, err
    assert steps == [0, 1, 2] * 3 and not path.exists()
    losses = [re.search(r"epoch 2/3: loss ([\d.]+)", text)[1] for text in (out_of_whole, out)]
    assert losses[0] == losses[1]  # of all its steps, too
    rate = float(re.search(r"epoch 2/3: .* ([\d.]+) steps/s", out)[1])  # of all its steps, in all its seconds
    assert 0 < rate <= 3 / saved["begun"]["seconds"] + 0.1
    assert_equal_weights(whole / "checkpoint-epoch3.pth", part / "checkpoint-epoch3.pth")
    results = [json.loads((folder / "metrics.json").read_text()) for folder in (whole, part)]
    for result in results:
        del result["checkpoint"], result["validation"]["steps_per_second"]
    assert results[0] == results[1]


def test_resuming_before_the_first_evaluation_gives_no_warning(run, monkeypatch):
    """The schedule makes its first step in this process; the optimizer made its own in the previous one."""
    whole, _ = trained(run, "--disable_workers")
    before = set(MODELS.glob("*"))
    evaluate = trainer_module.evaluate

    def interrupted(*args, **settings):
        os.kill(os.getpid(), signal.SIGINT)
        return evaluate(*args, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(trainer_module, "evaluate", interrupted)
        assert run(train_command, "--config", CONFIG, "--disable_workers")[0] == 130
    (part,) = set(MODELS.glob("*")) - before
    saved = torch.load(part / "interrupted.pth", weights_only=True)
    assert (saved["epoch"], saved["begun"]["step"]) == (1, 3)
    code, _, err = run(train_command, "--resume", part / "interrupted.pth")
    assert (code, err) == (0, "")
    assert_equal_weights(whole / "checkpoint-epoch3.pth", part / "checkpoint-epoch3.pth")


@pytest.mark.parametrize("name", ["interrupted.pth", "checkpoint-epoch3.pth"])
def test_a_checkpoint_that_cannot_be_read_is_named_and_the_previous_one_is_used(run, capsys, name):
    settings = ("--set", "trainer.epochs=4")
    whole, _ = trained(run, *settings)
    part, _ = train(run, *settings)
    (part / "metrics.json").unlink()
    for epoch in (4,) if name == "checkpoint-epoch3.pth" else (3, 4):
        (part / f"checkpoint-epoch{epoch}.pth").unlink()
    (part / "trained_model.pth").unlink()
    (part / name).write_bytes((part / "checkpoint-epoch2.pth").read_bytes()[:5000])
    code, out, err = run(train_command, "--config", CONFIG, "--resume", "auto", *settings)
    assert code == 0, err
    assert f"{part / name}: damaged" in out + err and "resuming" in out
    assert "epoch 3/4" in out and "epoch 2/4" not in out
    assert_equal_weights(whole / "checkpoint-epoch4.pth", part / "checkpoint-epoch4.pth")


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"half"), lambda path: path.unlink()])
def test_if_the_best_model_is_lost_the_best_other_checkpoint_is_tested(run, damage):
    settings = ("--set", "trainer.monitor=min epoch")
    part, _ = trained(run, *settings)
    for name in ("metrics.json", "checkpoint-epoch3.pth"):
        (part / name).unlink()
    (part / "checkpoint-epoch1.pth").write_bytes(b"half")  # epoch 1 was the best
    damage(part / "trained_model.pth")
    code, out, err = run(train_command, "--config", CONFIG, "--resume", "auto", *settings)
    assert code == 0, err
    left = part / "checkpoint-epoch2.pth"
    assert f"{left}, the best that can be read, is tested in its place" in out
    assert json.loads((part / "metrics.json").read_text())["checkpoint"] == str(left)


def test_if_no_checkpoint_can_be_read_the_run_is_not_restarted(refused, run):
    part, _ = trained(run)
    (part / "metrics.json").unlink()
    for path in part.glob("*.pth"):
        path.write_bytes(b"half")
    assert f"{part}: no checkpoint can be read" in refused(train_command, "--config", CONFIG, "--resume", "auto")
    assert all(path.read_bytes() == b"half" for path in part.glob("*.pth"))


def test_a_second_signal_ends_immediately(run, monkeypatch):
    """Even if the first one waits for a step that does not end."""
    add = LossSum.add

    def impatient(self, loss, step):
        add(self, loss, step)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    monkeypatch.setattr(LossSum, "add", impatient)
    code, _, err = run(train_command, "--config", CONFIG)
    assert (code, err) == (130, "interrupted\n") and not list(MODELS.glob("*/*.pth"))
