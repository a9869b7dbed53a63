"""Ctrl-C and SIGTERM in a training that waits for data: the partial epoch is saved."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from helpers.commands import CONFIG, MODELS
from helpers.paths import ROOT


@pytest.fixture(autouse=True)
def usual_handler():
    """Handle Ctrl-C even if CI ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_ends_a_training_that_waits_for_data(workplace):
    """A worker reads from a disk that does not respond; one signal is enough, and the partial epoch is saved."""
    command = [sys.executable, ROOT / "tests" / "helpers" / "hanging_worker.py", "--config", CONFIG]
    command += ["--set", "data_loader.args.num_workers=1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}  # leaves a core to a worker
    process = subprocess.Popen(command, env=environment, **pipes)
    while "hangs" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    (path,) = MODELS.glob("*/interrupted.pth")
    assert (process.returncode, err) == (143, "terminated\n") and f"--resume {path}" in out
    assert torch.load(path, weights_only=True)["begun"]["step"] == 1
