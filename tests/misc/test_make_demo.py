"""The demo data: the same for a seed, missing experts, distinct captions, and a model that learns from it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from data_loader.feature_files import read_file
from misc.make_demo import EXPERTS, SPLITS, make


def test_a_seed_gives_the_same_data(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(tmp_path / name, seed)
    a, b, c = (read_file(tmp_path / name / "rgb.pickle") for name in "abc")
    assert all(np.array_equal(a[video], b[video]) for video in a)
    assert not np.array_equal(a["clip0000"], c["clip0000"])
    num_clips = sum(SPLITS.values())
    for name, (_, dim, longest, share) in EXPERTS.items():
        features = read_file(tmp_path / "a" / f"{name}.pickle")
        assert abs(len(features) / num_clips - share) < 0.08
        assert all(x.shape[1] == dim and 1 <= len(x) <= longest for x in features.values())
    captions = read_file(tmp_path / "a" / "raw-captions.pkl")
    assert all(len({" ".join(words) for words in own}) == len(own) for own in captions.values())


@pytest.mark.slow
def test_the_demo_learns(tmp_path, monkeypatch):
    """What `make demo` runs: R@1 far above chance (0.5 %) and below 100."""
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(ROOT / "configs")
    for command in (["misc/make_demo.py"], ["train.py", "--config", "configs/demo/train-full-ce.json"]):
        subprocess.run([sys.executable, ROOT / command[0], *command[1:]], check=True, capture_output=True)
    (path,) = Path("data/saved/models/demo-train-full-ce").glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    assert metrics["split"] == "test" and 20 < metrics["t2v_metrics"]["R1"] < 100
