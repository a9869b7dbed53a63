"""The extensions of misc/docs/extending.md, done in a copy of the project by the page's own blocks."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import CONFIG, ROOT, Archive

PAGE = ROOT / "misc/docs/extending.md"
FOLDERS = ("base", "data_loader", "logger", "misc", "model", "trainer", "utils")
BLOCK = re.compile(r"^\*\*(\S+)\*\*\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FULL_CE = "configs/demo/train-full-ce.json"


def blocks(section):
    """Return the files of a section of the page, by name."""
    text = PAGE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    return dict(BLOCK.findall(text))


@pytest.fixture
def project(tmp_path):
    """Return a copy of the code with a small archive in place of the demo's."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("train.py", "test.py", "parse_config.py"):
        shutil.copy(ROOT / name, tmp_path)
    Archive(tmp_path).write()
    (tmp_path / FULL_CE).parent.mkdir(parents=True)
    config = {**CONFIG, "trainer": {**CONFIG["trainer"], "epochs": 1}}
    (tmp_path / FULL_CE).write_text(json.dumps(config))
    return tmp_path


def extend(project, section):
    """Write the files of a section into the project, and return the path of its config."""
    files = blocks(section)
    for name, content in files.items():
        assert not (ROOT / name).exists(), f"{name}: the project has such a file already"
        (project / name).write_text(content)
    *_, config = files
    return config


def run(project, *command, code=0):
    """Run a command of the copy, and return what it printed."""
    result = subprocess.run([sys.executable, *map(str, command)], cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def train(project, config, *arguments):
    """Train by a config, and return the log and the content of `metrics.json`."""
    log = run(project, "train.py", "--config", config, *arguments)
    (folder,) = (project / "data/saved/models").glob("*/*")
    return log, json.loads((folder / "metrics.json").read_text()), folder


def test_a_loss(project):
    config = extend(project, "A loss")
    _, _, folder = train(project, config)
    content = json.loads((folder / "config.json").read_text())
    assert content["loss"] == {"type": "NceLoss", "args": {"temperature": 0.1}}  # no margin of the parent
    for value, message in (("0", "found 0, input should be greater than 0"), ('"warm"', "found 'warm'")):
        error = run(project, "train.py", "--config", config, "--set", f"loss.args.temperature={value}", code=2)
        assert error.startswith(f"error: {config}: loss.args.temperature: {message}")
    error = run(project, "train.py", "--config", config, "--set", "loss.args.temprature=1", code=2)
    assert error == f"error: {config}: loss.args.temprature: unknown key of NceLoss, did you mean 'temperature'?\n"


def test_a_model(project):
    config = extend(project, "A model")
    log, metrics, folder = train(project, config)
    content = json.loads((folder / "config.json").read_text())
    assert content["arch"]["args"]["word_dropout"] == 0.2 and content["arch"]["args"]["gate_order"] == "parallel"
    command = re.search(r"evaluate: python (test.py .*)", log)[1].split()  # the log's own next step
    assert "t2v" in run(project, *command)
    error = run(project, "train.py", "--config", config, "--set", "arch.args.word_dropout=1", code=2)
    assert error == f"error: {config}: arch.args.word_dropout: found 1, input should be less than 1\n"


def test_a_metric(project):
    log, metrics, _ = train(project, extend(project, "A metric"))
    assert metrics["reciprocal_metrics"].keys() == {"MRR"} and 0 < metrics["reciprocal_metrics"]["MRR"] <= 100
    assert metrics["validation"]["val_reciprocal_metrics_MRR"] == pytest.approx(metrics["reciprocal_metrics"]["MRR"])
    assert "reciprocal" in log and "MRR" in log


def test_a_dataset(project):
    config = extend(project, "A dataset")
    features = project / "data/cooking/symlinked-feats"
    (project / "data/Toy").rename(project / "data/cooking")
    for old, new in (("rgb", "resnet-avg"), ("scene", "places"), ("audio", "vggish"), ("text-toy", "captions-w2v")):
        (features / f"{old}.pickle").rename(features / f"{new}.pickle")
    log, metrics, _ = train(project, config)
    assert "Cooking, val: 10 videos, 20 captions" in log and metrics["split"] == "val"
    assert "2019 release counts" not in log
