"""The evaluation of a published model as it is documented, command by command, from a server on this machine."""

import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import tarfile
import threading

import numpy as np
import pytest
import torch
from helpers.corrected_archive import write_archive_of_config
from helpers.paths import ROOT
from helpers.published_layouts import write_benchmark
from helpers.release_2019 import write_release

from data_loader.datasets import CORRECTED_LAYOUTS, LAYOUTS
from parse_config import ConfigParser
from trainer.build import build_model

CORRECTED_MODEL = "data/models/msvd-train-full-ce/5bb8dda1/seed-0/2020-01-30_12-29-56/trained_model.pth"
MODEL = "data/models/msvd-train-full-ce/07-25_15-18-17/trained_model.pth"


@pytest.fixture
def project(tmp_path):
    """Copy the project without data, and replace the MSVD archive by the one on the server."""
    project = tmp_path / "project"
    skipped = shutil.ignore_patterns("data", "venv", ".git", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, project, ignore=skipped)
    return project


@pytest.fixture
def server(tmp_path):
    """The address of a server, and the folder it serves."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_corrected_models_of_msvd(tmp_path, project, server):
    url, served = server
    for place, name in (("features-v2/MSVD", "train-full-ce"), ("high-quality/high-quality-MSVD", "train-teachtext")):
        config = ConfigParser.from_file(ROOT / f"configs/msvd/{name}-2020.json", training=True)
        source = tmp_path / name
        write_archive_of_config(config, source, num_train=20)
        tar = served / ("data-hq" if "high" in place else "data") / f"{place}-experts.tar.gz"
        tar.parent.mkdir(parents=True)
        with tarfile.open(tar, "w:gz") as archive:
            archive.add(source / "data/MSVD", "data/MSVD")
        declared = project / "data_loader/datasets/msvd.py"  # the published sums are of the published archives
        (sha1,) = CORRECTED_LAYOUTS["MSVD"].downloads[place.partition("/")[0]].sha1
        declared.write_text(declared.read_text().replace(sha1, hashlib.sha1(tar.read_bytes()).hexdigest()))

    def run(*command):
        result = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    # python misc/sync_experts.py --dataset MSVD [--release high-quality]; the last line has the next command
    sync = ("misc/sync_experts.py", "--dataset", "MSVD", "--root_url", url)
    small = [f"--set={x}" for x in ("trainer.epochs=1", "experts.ce_shared_dim=8", "data_loader.args.num_workers=0")]
    for options, config in (((), "train-full-ce-2020"), (("--release", "high-quality"), "train-ce-plus-2020")):
        *_, command = run(*sync, *options).strip().partition("next: python ")
        assert command == f"train.py --config configs/msvd/{config}.json"
        assert "official" in run(*command.split(), *small)
    run("train.py", "--config", "configs/msvd/train-teachtext-2020.json", *small)
    # wget --output-document="${MODEL}" "<root>/${MODEL}"; the evaluation of the published model
    config = ConfigParser.from_file(ROOT / "configs/msvd/train-full-ce-2020.json", training=True)
    torch.manual_seed(0)
    write_release(project / CORRECTED_MODEL, build_model(config), config.as_dict())
    config = ("--config", "configs/msvd/train-full-ce-2020.json", "--eval_from_training_config")
    out = run("test.py", *config, "--resume", CORRECTED_MODEL, "--save_sims", "sims.npz", "--device", "0")
    assert "a checkpoint of the corrected release, evaluated with arch.args.gate_order=sequential" in out
    with np.load(project / "sims.npz") as saved:
        assert saved["split"] == "official"


def test_evaluating_the_published_model_of_msvd(tmp_path, project, server):
    url, served = server
    benchmark = write_benchmark("MSVD", tmp_path)
    tar = served / "data/features/MSVD-experts.tar.gz"
    tar.parent.mkdir(parents=True)
    with tarfile.open(tar, "w:gz") as archive:
        archive.add(benchmark.data_dir, "data/MSVD")
    config = ConfigParser.from_file(ROOT / "configs/msvd/train-full-ce.json", training=True)
    torch.manual_seed(0)
    net = build_model(config)
    write_release(served / MODEL, net, config.as_dict())
    sha1 = hashlib.sha1(tar.read_bytes()).hexdigest()
    declared = project / "data_loader/datasets/msvd.py"  # the published sum is of the published archive
    (published, republished) = LAYOUTS["MSVD"].download.sha1
    declared.write_text(declared.read_text().replace(republished, sha1))

    def run(*command):
        result = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    # python misc/sync_experts.py --dataset MSVD --release 2019
    run("misc/sync_experts.py", "--dataset", "MSVD", "--release", "2019", "--root_url", url)
    found = {path.name for path in (project / "data/MSVD/symlinked-feats").iterdir()}
    assert found == {path.name for path in benchmark.folder.iterdir()}
    # mkdir -p $(dirname "${MODEL}"); wget --output-document="${MODEL}" "<root>/${MODEL}"
    (project / MODEL).parent.mkdir(parents=True)
    shutil.copy(served / MODEL, project / MODEL)
    # python3 test.py --config configs/msvd/eval-full-ce.json --resume ${MODEL} --device 0
    command = ("test.py", "--config", "configs/msvd/eval-full-ce.json", "--resume", MODEL, "--save_sims", "sims.npz")
    out = run(*command, "--device", "0")
    assert "evaluated with arch.args.gate_order=sequential and arch.args.mask_padding=false" in out
    (dropped,) = re.findall(r"(\d+) weights were never used", out)
    assert int(dropped) == 4 + 4 * 5  # two layers, four batch norms
    (path,) = (project / "data/saved/log").rglob("metrics.json")
    metrics = json.loads(path.read_text())
    assert (metrics["split"], metrics["epoch"], metrics["leaky"]) == ("official", 12, False)
    with np.load(project / "sims.npz") as saved:
        assert list(saved["video_ids"]) == benchmark.ids["test"]
        assert len(saved["sims"]) == len(benchmark.ids["test"]) * saved["query_masks"].shape[1]
    run(*command[:-1], "leaky.npz", "--similarity", "paired-2019")
    with np.load(project / "leaky.npz") as leaky, np.load(project / "sims.npz") as fair:
        assert leaky["leaky"] and not np.allclose(leaky["sims"], fair["sims"], atol=1e-4)
