"""A model learns from the Demo data set, which is the same for a seed."""

import json
import subprocess
import sys
from pathlib import Path

from helpers.paths import ROOT

from misc import make_demo
from misc.demo import dataset


def test_the_demo_learns(call, tmp_path, monkeypatch):
    """What `make demo` runs, with half of the clips: R@1 far above chance (0.7 %) and below 100."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dataset, "SPLITS", {"train": 300, "val": 52, "test": 152})
    Path("configs").symlink_to(ROOT / "configs")
    assert call(make_demo)[0] == 0
    config = "configs/demo/train-full-ce.json"
    command = [sys.executable, ROOT / "train.py", "--config", config, "--set", "trainer.epochs=12"]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = Path("data/saved/models").glob("demo-train-full-ce/*/metrics.json")
    metrics = json.loads(path.read_text())
    assert metrics["split"] == "test" and 20 < metrics["t2v_metrics"]["R1"] < 60


def contents(folder):
    """Path -> bytes of every file below `folder`."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_seed_gives_the_same_files_whatever_the_number_of_processes(tmp_path):
    for name, seed, workers in (("made", 0, 1), ("again", 0, 3), ("other", 1, 1)):
        dataset.make_dataset(tmp_path / name, {"train": 16, "val": 4, "test": 8}, seed, workers)
    made, again, other = (contents(tmp_path / name) for name in ("made", "again", "other"))
    assert made == again and made.keys() == other.keys()
    assert all(other[path] != content for path, content in made.items() if path.suffix != ".txt")
