"""Disks that are full, files that vanish, and runs beside each other: what was good stays good."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import CONFIG, MODELS, assert_equal_weights, train, weights
from conftest import ROOT

import train as train_command
from utils.visualizer import Visualizer

COMMAND = [sys.executable, ROOT / "train.py", "--config", CONFIG]


def start(*arguments, largest=None):
    """A training in a process of its own, to which files of more than `largest` bytes mean a full disk."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *arguments], **pipes, preexec_fn=limit if largest else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("largest", "what"),
    [(1_000, "cache"), (20_000, "checkpoint-epoch|trained_model")],  # checkpoints have some 50 kB
)
def test_a_full_disk_is_one_line_and_costs_nothing_that_was_there(run, largest, what):
    whole, _ = train(run, "--set", "trainer.epochs=4")
    part, _ = train(run, "--set", "trainer.epochs=2")
    kept = {path: path.read_bytes() for path in part.iterdir()}
    if "cache" in what:
        shutil.rmtree("data/Toy/cache")
    resumed = ("--resume", str(part / "checkpoint-epoch2.pth"), "--set", "trainer.epochs=4")
    full = start(*resumed, largest=largest)
    _, err = full.communicate(timeout=120)
    assert full.returncode == 2 and err.startswith("error: ") and err.count("\n") == 1, err
    assert "File too large" in err and any(name in err for name in what.split("|"))
    assert {path: path.read_bytes() for path in part.iterdir()} == kept
    assert not list(Path("data").rglob("*.tmp"))

    code, _, err = run(train_command, "--config", CONFIG, *resumed)  # once there is room
    assert code == 0, err
    (last,) = set(MODELS.glob("*/checkpoint-epoch4.pth")) - {whole / "checkpoint-epoch4.pth"}
    assert_equal_weights(whole / "checkpoint-epoch4.pth", last)


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
    """What was opened at the start is there to the end."""
    original = train_command.Trainer._train_epoch

    def vanish(self, epoch):
        if epoch == 2:
            shutil.rmtree("data/Toy")
        return original(self, epoch)

    whole, _ = train(run)
    monkeypatch.setattr(train_command.Trainer, "_train_epoch", vanish)
    part, _ = train(run)
    assert_equal_weights(whole / "checkpoint-epoch3.pth", part / "checkpoint-epoch3.pth")


@pytest.mark.slow
def test_runs_of_the_same_second_build_one_cache_and_keep_apart(workplace):
    """Four at once on an archive without a cache, then one alone: the same weights, whole caches, four folders."""
    together = [start() for _ in range(4)]
    for process in together:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    folders = list(MODELS.glob("*"))
    assert len(folders) == len(list(Path("data/saved/log/toy-train-ce").glob("*"))) == 4
    cached = {path.name: path.read_bytes() for path in Path("data/Toy/cache").iterdir()}
    assert cached and not any(name.endswith(".tmp") for name in cached)
    shutil.rmtree("data/Toy/cache")
    alone = start()
    assert alone.communicate(timeout=240)[1] == "" and alone.returncode == 0
    assert {path.name for path in Path("data/Toy/cache").iterdir()} == cached.keys()
    (last,) = set(MODELS.glob("*")) - set(folders)
    for folder in folders:
        assert_equal_weights(last / "checkpoint-epoch3.pth", folder / "checkpoint-epoch3.pth")
        assert weights(folder / "trained_model.pth").keys() == weights(last / "trained_model.pth").keys()
        assert json.loads((folder / "metrics.json").read_text())["checkpoint"].startswith(str(folder))
