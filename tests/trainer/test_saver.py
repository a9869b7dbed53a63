"""The checkpoints of a training: which are kept, the first is read back, and a missed one is saved later."""

import re
from pathlib import Path

from helpers.commands import CONFIG, assert_equal_weights, train, trained

import base.checkpoint
import train as train_command
from trainer.trainer import Trainer


def test_a_checkpoint_that_cannot_be_read_costs_one_epoch(run, monkeypatch):
    original, epochs = Trainer._state, []

    def spoil(self, epoch):
        epochs.append(epoch)
        return original(self, epoch) | {"lr_scheduler": {"path": Path("x")}}

    monkeypatch.setattr(Trainer, "_state", spoil)
    code, _, err = run(train_command, "--config", CONFIG)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1
    assert "not saved, because it could not be loaded again" in err and "class pathlib." in err
    assert epochs == [1] and not list(Path("data/saved").rglob("*.pth*"))


def test_a_training_reads_its_first_checkpoint_back_and_no_other(run, monkeypatch):
    """The state of MultiStepLR holds a Counter; the training ends with the test of the best model."""
    original, read = base.checkpoint.load_checkpoint, []

    def note(path):
        read.append(Path(path).name)
        return original(path)

    monkeypatch.setattr(base.checkpoint, "load_checkpoint", note)
    train(run, "--set", 'lr_scheduler={"type": "MultiStepLR", "args": {"milestones": [2], "gamma": 0.1}}')
    assert len(read) == 1 and re.fullmatch(r"\.trained_model\.pth\..*\.tmp", read[0])


def test_a_periodic_checkpoint_that_was_missed_is_saved_later(run):
    """The process was killed while writing it; the temporary file is deleted."""
    settings = ("--set", "trainer.monitor=max epoch", "--set", "trainer.epochs=2")
    part, _ = trained(run, *settings)
    expected = {path.name for path in part.iterdir()}
    (part / "metrics.json").unlink()
    (part / "checkpoint-epoch2.pth").rename(part / ".checkpoint-epoch2.pth.77.tmp")
    code, _, err = run(train_command, "--config", CONFIG, "--resume", "auto", *settings)
    assert code == 0, err
    assert {path.name for path in part.iterdir()} == expected
    assert_equal_weights(part / "trained_model.pth", part / "checkpoint-epoch2.pth")


def kept(folder):
    return sorted(path.name for path in folder.glob("*.pth"))


def test_with_save_only_best_the_last_epoch_is_kept_beside_the_best(run):
    """The last one is there to be resumed from."""
    folder, _ = train(run, "--set", "trainer.save_only_best=true", "--set", "trainer.epochs=4")
    assert kept(folder) == ["checkpoint-epoch4.pth", "trained_model.pth"]
    folder, _ = train(run, "--set", "trainer.save_only_best=false")
    assert kept(folder) == [*(f"checkpoint-epoch{epoch}.pth" for epoch in (1, 2, 3)), "trained_model.pth"]
