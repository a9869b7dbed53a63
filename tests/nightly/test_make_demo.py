"""A model learns from the Demo data set."""

import json
import subprocess
import sys
from pathlib import Path

from helpers.paths import ROOT

from misc import make_demo


def test_the_demo_learns(call, tmp_path, monkeypatch):
    """What `make demo` runs, with half of the clips: R@1 far above chance (0.7 %) and below 100."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(make_demo, "SPLITS", {"train": 300, "val": 52, "test": 152})
    Path("configs").symlink_to(ROOT / "configs")
    assert call(make_demo)[0] == 0
    config = "configs/demo/train-full-ce.json"
    command = [sys.executable, ROOT / "train.py", "--config", config, "--set", "trainer.epochs=12"]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = Path("data/saved/models").glob("demo-train-full-ce/*/metrics.json")
    metrics = json.loads(path.read_text())
    assert metrics["split"] == "test" and 20 < metrics["t2v_metrics"]["R1"] < 60
