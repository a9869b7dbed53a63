"""`train.py`: trainings, the files that they write, and resuming."""

import json
import signal
import subprocess
import sys

import pytest
import torch
from helpers.commands import CONFIG, train, trained, weights
from helpers.paths import ROOT

from model.model import CENet


def test_control_c_ends_a_training_with_the_command_that_resumes_it(workplace):
    command = [sys.executable, "-u", ROOT / "train.py", "--config", CONFIG, "--set", "trainer.epochs=100000"]
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # even where CI ignores it
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heeding)
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "interrupted")
    *_, checkpoint = next(line for line in out.splitlines() if "--resume" in line).split()
    assert torch.load(checkpoint, weights_only=True)["epoch"] >= 2


@pytest.mark.filterwarnings("ignore")  # of torch, to itself
def test_a_compiled_model_trains_to_the_same_figures(run, monkeypatch):
    """Trace the model but run it without generated code, which would need a C compiler."""
    asked = []

    def compiled(net):
        asked.append(net)
        torch.nn.Module.compile(net, backend="aot_eager")

    monkeypatch.setattr(CENet, "compile", compiled)
    plain, _ = trained(run)
    assert not asked
    folder, _ = train(run, "--set", "trainer.compile=true")
    assert len(asked) == 1
    expected, found = (json.loads((x / "metrics.json").read_text()) for x in (plain, folder))
    assert found["t2v_metrics"] == pytest.approx(expected["t2v_metrics"])
    one, other = (weights(x / "checkpoint-epoch3.pth") for x in (plain, folder))
    torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)
