"""The extensions of misc/docs/extending.md, done in a copy of the project by the page's own blocks."""

import json
import re
import shutil
import subprocess
import sys

import msgpack
import msgpack_numpy
import pytest
from helpers.daily import on_days
from helpers.paths import ROOT
from helpers.pyav_videos import flat, write
from helpers.toy_archive import CONFIG, Archive

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


@on_days(2, 0)
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


@on_days(2, 1)
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


@on_days(2, 0)
def test_a_dataset(project):
    config = extend(project, "A dataset")
    features = project / "data/cooking/symlinked-feats"
    (project / "data/Toy").rename(project / "data/cooking")
    for old, new in (("rgb", "resnet-avg"), ("scene", "places"), ("audio", "vggish"), ("text-toy", "captions-w2v")):
        (features / f"{old}.pickle").rename(features / f"{new}.pickle")
    log, metrics, _ = train(project, config)
    assert "Cooking, val: 10 videos, 20 captions" in log and metrics["split"] == "val"
    assert "2019 release counts" not in log


@pytest.fixture
def clips(project):
    """Return the arguments of an extraction of a few short clips with captions."""
    folder = project / "clips"
    folder.mkdir()
    for i in range(6):
        write(folder / f"clip{i}.mp4", flat(12)[i:], rate=10)
    lines = "".join(f"clip{i}.mp4,a clip with the number {i}\n" for i in range(6))
    (project / "captions.csv").write_text(f"video,caption\n{lines}")
    return "--videos", "clips", "--captions", "captions.csv", "--name", "Own", "--workers", "1", "--split", "50/25/25"


def extract(project, clips, config):
    """Extract by a config, and return what is written of it and the features by file."""
    run(project, "misc/extract_experts.py", *clips, "--config", config)
    files = (project / "data/Own/symlinked-feats").glob("*.mp")
    features = {path.stem: msgpack.unpackb(path.read_bytes(), object_hook=msgpack_numpy.decode) for path in files}
    return json.loads((project / "data/Own/extraction.json").read_text()), features


@on_days(2, 1)
def test_an_expert(project, clips):
    extraction, features = extract(project, clips, extend(project, "An expert"))
    assert extraction["experts"]["brightness"] == {"dim": 6, "aggregation": "avg", "kind": "sequence"}
    assert features["brightness"]["clip0"].shape == (4, 6)
    _, metrics, _ = train(project, "configs/Own/train-full-ce.json", "--train_single_epoch")
    assert metrics["split"] == "test"


@on_days(2, 0)
def test_a_text_encoder(project, clips):
    extraction, features = extract(project, clips, extend(project, "A text encoder"))
    assert extraction["text"] == {"encoder": "hashing:64", "feat": "hashing-64", "dim": 64}
    (words,) = features["text-hashing-64"]["clip0"]
    assert words.shape == (6, 64)
    log, _, folder = train(project, "configs/Own/train-full-ce.json", "--train_single_epoch")
    assert re.search(r"search: python misc/search.py 'what you look for' --checkpoint \S+ --name Own\n", log)
    query = ("misc/search.py", "number 3", "--resume", folder / "trained_model.pth", "--name", "Own")
    assert "clip" in run(project, *query)
