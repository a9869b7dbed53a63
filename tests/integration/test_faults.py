"""Full disks, files that disappear, and concurrent runs: nothing that was saved is lost."""

import shutil
from pathlib import Path

import pytest
from helpers.commands import CONFIG, assert_equal_weights, train, trained

import train as train_command
from trainer.trainer import Trainer
from utils.visualizer import Visualizer


def test_a_full_disk_under_the_page_ends_no_training(run, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device", "index.html")

    monkeypatch.setattr(Visualizer, "_write_files", full)
    folder, out = train(run, "--set", 'visualizer={"type": "Visualizer", "args": {}}')
    assert (folder / "metrics.json").exists() and "page: index.html cannot be written (No space left" in out


@pytest.mark.parametrize("name", ["rgb.pickle", "text-toy.pickle", "train_list.txt"])
def test_a_file_that_vanished_is_named(run, refused, name):
    train(run)  # the cache is there
    Path("data/Toy/symlinked-feats", name).unlink()
    assert name.partition(".")[0] in refused(train_command, "--config", CONFIG)


def test_a_file_that_vanishes_in_a_training_is_not_missed(run, monkeypatch):
    """Files that were opened at the start stay readable to the end."""
    original = Trainer._train_epoch

    def vanish(self, epoch):
        if epoch == 2:
            shutil.rmtree("data/Toy")
        return original(self, epoch)

    whole, _ = trained(run)
    monkeypatch.setattr(Trainer, "_train_epoch", vanish)
    part, _ = train(run)
    assert_equal_weights(whole / "checkpoint-epoch3.pth", part / "checkpoint-epoch3.pth")


def test_a_log_folder_that_vanishes_ends_no_training(run, monkeypatch):
    original = Trainer._train_epoch

    def vanish(self, epoch):
        if epoch == 2:
            shutil.rmtree(self.run.log)
        return original(self, epoch)

    monkeypatch.setattr(Trainer, "_train_epoch", vanish)
    folder, out = train(run)
    assert (folder / "checkpoint-epoch3.pth").exists() and (folder / "metrics.json").exists()
    assert out.count("cannot be written") == out.count("TensorBoard: data/saved/log/toy-train-ce/") == 1
