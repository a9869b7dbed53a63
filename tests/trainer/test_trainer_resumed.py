"""Epochs of a training: their order, their schedule, and where they resume."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train

import train as train_command
from base.checkpoint import load_checkpoint
from data_loader.dataset import Collate
from parse_config import ConfigParser
from trainer import trainer as trainer_module
from trainer.build import build_loaders
from trainer.loop_helpers import LossSum


@pytest.fixture(autouse=True)
def usual_handler():
    """Handle Ctrl-C even if CI ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def write_config(**sections):
    """Replace sections of the config."""
    path = Path(CONFIG)
    path.write_text(json.dumps({**json.loads(path.read_text()), **sections}))


def test_each_epoch_has_all_videos_in_an_order_of_its_own(run, monkeypatch):
    """After resuming, the order is that of the epoch, not that of the process."""
    seen = []

    class Recorder(Collate):
        def __call__(self, items):
            batch = super().__call__(items)
            seen.append(batch["ids"])
            return batch

    monkeypatch.setattr("data_loader.data_loaders.Collate", Recorder)
    folder, _ = train(run, "--disable_workers", "--set", "trainer.epochs=3")
    ids = [f"video{i}" for i in range(24)]
    epochs = [batches for batches in _group(seen, set(ids)) if batches]
    assert len(epochs) == 3 and all(sorted(epoch) == sorted(ids) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    (folder / "metrics.json").unlink()
    seen.clear()
    code, _, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth", "--disable_workers")
    assert code == 0, err
    assert _group(seen, set(ids))[0] == epochs[2]


def _group(batches, train_ids):
    """Return the videos of each epoch of training, which batches of an evaluation separate."""
    groups = [[]]
    for batch in batches:
        if train_ids.issuperset(batch):
            groups[-1] += batch
        elif groups[-1]:
            groups.append([])
    return groups


@pytest.mark.parametrize(("mode", "last_rate"), [("max", 0.01), ("min", 0.005)])
def test_a_plateau_is_one_of_the_monitored_value(run, mode, last_rate):
    """Monitor the number of the epoch, which increases while the loss decreases."""
    write_config(lr_scheduler={"type": "ReduceLROnPlateau", "args": {"patience": 0, "mode": mode, "factor": 0.5}})
    folder, _ = train(run, "--set", f"trainer.monitor={mode} epoch")
    states = [load_checkpoint(folder / f"checkpoint-epoch{epoch}.pth") for epoch in (1, 2, 3)]
    assert states[0]["values"]["loss"] > states[2]["values"]["loss"]
    assert [state["values"]["lr"] for state in states] == [0.01, 0.01, last_rate]


@pytest.mark.parametrize("section", ["optimizer", "lr_scheduler"])
def test_a_changed_optimizer_or_schedule_starts_afresh(run, section):
    """The schedule of the new config starts at its first epoch."""
    folder, _ = train(run, "--set", "trainer.epochs=2")
    changed = {"optimizer": "optimizer.args.lr=0.02", "lr_scheduler": "lr_scheduler.args.gamma=0.1"}[section]
    options = ("--set", changed, "--set", "trainer.epochs=3")
    code, out, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth", *options)
    assert code == 0 and "both start afresh" in out + err
    (second,) = set(MODELS.glob("*")) - {folder}
    state = load_checkpoint(second / "checkpoint-epoch3.pth")
    first_rate, gamma = (0.02, 0.9) if section == "optimizer" else (0.01, 0.1)
    assert state["values"]["lr"] == pytest.approx(first_rate)
    assert state["lr_scheduler"]["last_epoch"] == 1
    assert state["optimizer"]["param_groups"][0]["lr"] == pytest.approx(first_rate * gamma)


def interrupt_after(count, run, monkeypatch, *arguments):
    """Train, and send SIGINT after `count` steps."""
    steps, add = [], LossSum.add

    def add_and_interrupt(self, loss, step):
        add(self, loss, step)
        steps.append(step)
        if len(steps) == count:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(LossSum, "add", add_and_interrupt)
        assert run(train_command, "--config", CONFIG, *arguments)[0] == 130


@pytest.mark.parametrize("accumulate", [2, 4])
def test_an_interrupt_in_the_last_step_of_an_epoch_loses_no_gradient(run, monkeypatch, accumulate):
    """The last of three steps, which is left over where two are accumulated, or of one step of all three."""
    settings = ("--disable_workers", "--set", f"trainer.accumulate={accumulate}")
    whole, _ = train(run, *settings)
    before = set(MODELS.glob("*"))
    interrupt_after(6, run, monkeypatch, *settings)
    (part,) = set(MODELS.glob("*")) - before
    begun = load_checkpoint(part / "interrupted.pth")
    assert (begun["epoch"], begun["begun"]["step"]) == (2, 3)
    evaluated = []
    evaluate = trainer_module.evaluate
    monkeypatch.setattr(trainer_module, "evaluate", lambda *x, **y: (evaluated.append(1), evaluate(*x, **y))[1])
    code, _, err = run(train_command, "--resume", part / "interrupted.pth")
    assert code == 0 and len(evaluated) == 2, err
    assert_equal_weights(whole / "checkpoint-epoch3.pth", part / "checkpoint-epoch3.pth")


def test_a_partial_epoch_is_trained_anew_in_another_run(run, monkeypatch):
    """The partial epoch is discarded, since its first batches were trained with another config."""
    interrupt_after(2, run, monkeypatch, "--disable_workers")
    (path,) = MODELS.glob("*/interrupted.pth")
    add, steps = LossSum.add, []
    monkeypatch.setattr(LossSum, "add", lambda self, loss, step: (add(self, loss, step), steps.append(step)))
    code, _, err = run(train_command, "--resume", path, "--set", "loss.args.margin=0.3", "--set", "trainer.epochs=1")
    assert code == 0 and steps == [0, 1, 2], err
    assert path.exists() and len(set(MODELS.glob("*"))) == 2


def test_skipped_epochs_are_not_the_best(run):
    """The best of the other epochs is saved, even if it is worse than the skipped ones."""
    options = ("trainer.monitor=min epoch", "trainer.skip_first_n_saves=2", "trainer.epochs=4")
    folder, _ = train(run, *(word for option in options for word in ("--set", option)))
    assert torch.load(folder / "trained_model.pth", weights_only=True)["epoch"] == 3
    assert json.loads((folder / "metrics.json").read_text())["epoch"] == 3


def test_the_order_of_the_videos_is_that_of_the_seed(workplace, config):
    def order(seed):
        loaders = build_loaders(ConfigParser(config, "c", [f"seed={seed}"]), torch.device("cpu"))
        return [video for batch in loaders.train for video in batch["ids"]]

    assert order(1) == order(1) != order(2)
