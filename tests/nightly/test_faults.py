"""Full disks, missing permissions, and runs of the same second, of trainings in other processes."""

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train, trained, weights
from helpers.daily import cases_of_today
from helpers.paths import ROOT
from helpers.permissions import drop_root_overrides, read_only

import train as train_command

COMMAND = [sys.executable, ROOT / "train.py", "--config", CONFIG]


def start(*arguments, largest=None):
    """Start a training in a process to which permissions apply; files over `largest` bytes mean a full disk."""

    def limit():
        drop_root_overrides()
        if largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *arguments], **pipes, preexec_fn=limit)


def with_small_disk(folder, size, *command):
    """Run a command with a small file system mounted over `folder`; return how it ended."""
    mounts = f'mount -t tmpfs -o size={size} none {folder} && exec "$@"'
    unshared = ["unshare", "--mount", "--map-root-user", "sh", "-c", mounts, "sh"]
    if subprocess.run([*unshared, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    return subprocess.run([*unshared, *command], capture_output=True, text=True, timeout=240, check=False)


def refusal(*arguments):
    """Return the one-line error of a training that cannot start."""
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2 and err.startswith("error: ") and err.count("\n") == 1, err
    assert "epoch 1" not in out
    return err


@pytest.mark.parametrize(
    ("largest", "what"),
    [(1_000, "cache"), (20_000, "checkpoint-epoch|trained_model")],  # checkpoints have some 50 kB
)
def test_a_full_disk_is_one_line_and_costs_nothing_that_was_there(run, largest, what):
    whole, _ = trained(run, "--set", "trainer.epochs=4")
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


def test_workers_without_room_to_hand_batches_over(workplace, monkeypatch):
    """Containers have 64 MB of /dev/shm; the main process must not wait for a worker that fails."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # leaves a core to a worker
    ended = with_small_disk("/dev/shm", "64k", *COMMAND, "--set", "data_loader.args.num_workers=1")
    assert ended.returncode == 2 and ended.stderr.startswith("error: /dev/shm: no room"), ended.stderr
    assert ended.stderr.count("\n") == 1 and "num_workers" in ended.stderr


def test_a_full_disk_under_the_log_ends_no_training(workplace):
    """The file system of events and `info.log` is full: one warning for each, and every epoch is saved."""
    Path("data/saved/log").mkdir(parents=True)
    ended = with_small_disk("data/saved/log", "4k", *COMMAND)
    assert ended.returncode == 0 and ended.stderr == "", ended.stderr
    for line in ("TensorBoard: data/saved/log/toy-train-ce/", "info.log: "):
        assert len(re.findall(f"^.*{line}.*cannot be written .No space left on device", ended.stdout, re.M)) == 1
    assert len(list(MODELS.glob("*/checkpoint-epoch3.pth"))) == len(list(MODELS.glob("*/metrics.json"))) == 1


def test_data_that_cannot_be_written(run):
    """Without caches, the error names the setting for their folder; with caches, the training runs."""
    whole, _ = train(run)
    caches = {path.name: path.read_bytes() for path in Path("data/Toy/cache").iterdir()}
    with read_only(Path("data/Toy")):
        process = start()
        assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    (last,) = set(MODELS.iterdir()) - {whole}
    assert_equal_weights(whole / "checkpoint-epoch3.pth", last / "checkpoint-epoch3.pth")
    shutil.rmtree("data/Toy/cache")
    with read_only(Path("data/Toy")):
        assert "data/Toy/cache" in (line := refusal()) and "data_loader.args.cache_dir" in line
        process = start("--set", "data_loader.args.cache_dir=elsewhere")
        assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    assert {path.name: path.read_bytes() for path in Path("elsewhere").iterdir()} == caches


@pytest.mark.parametrize(
    ("path", "mode"),
    cases_of_today(
        [
            ("data/Toy/symlinked-feats/rgb.pickle", 0o000),
            ("data/Toy/symlinked-feats/train_list.txt", 0o000),
            ("data/Toy/symlinked-feats", 0o000),
            ("configs/toy/train-ce.json", 0o000),
            ("data", 0o555),  # where data/saved would be made
        ],
        3,
    ),
)
def test_what_may_not_be_read_or_written_is_named(workplace, path, mode):
    place = Path(path)
    before = place.stat().st_mode
    place.chmod(mode)
    try:
        line = refusal()
    finally:
        place.chmod(before)
    assert path in line and "Permission denied" in line
    assert not list(Path("data").rglob("*.tmp"))


def test_a_checkpoint_that_may_not_be_written_ends_the_training(run):
    """The folder of a run becomes read-only: one-line error, saved files stay, and the run resumes later."""
    whole, _ = trained(run)
    expected = weights(whole / "checkpoint-epoch3.pth")
    for name in ("metrics.json", "checkpoint-epoch3.pth"):  # as if it had been killed in epoch 3
        (whole / name).unlink()
    kept = {path: path.read_bytes() for path in whole.iterdir()}
    with read_only(whole):
        assert "Permission denied" in (line := refusal("--resume", "auto")) and str(whole) in line
    assert {path: path.read_bytes() for path in whole.iterdir()} == kept
    process = start("--resume", "auto")
    assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    torch.testing.assert_close(weights(whole / "checkpoint-epoch3.pth"), expected, rtol=0, atol=0)


def test_runs_of_the_same_second_build_one_cache_and_keep_apart(workplace):
    """Start four runs at once, then one more: the same weights, complete caches, and a folder per run."""
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
