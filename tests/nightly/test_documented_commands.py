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
from helpers.paths import ROOT
from helpers.published_layouts import write_benchmark
from helpers.release_2019 import write_release

from data_loader.datasets import LAYOUTS
from parse_config import ConfigParser
from trainer.build import build_model

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

    # python misc/sync_experts.py --dataset MSVD
    run("misc/sync_experts.py", "--dataset", "MSVD", "--root_url", url)
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
