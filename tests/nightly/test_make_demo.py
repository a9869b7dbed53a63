"""A model learns from the Demo data set."""

import json
import subprocess
import sys
from pathlib import Path

from helpers.paths import ROOT


def test_the_demo_learns(tmp_path, monkeypatch):
    """What `make demo` runs: R@1 far above chance (0.3 %) and below 100."""
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(ROOT / "configs")
    for command in (["misc/make_demo.py"], ["train.py", "--config", "configs/demo/train-full-ce.json"]):
        subprocess.run([sys.executable, ROOT / command[0], *command[1:]], check=True, capture_output=True)
    (path,) = Path("data/saved/models/demo-train-full-ce").glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    assert metrics["split"] == "test" and 20 < metrics["t2v_metrics"]["R1"] < 60
