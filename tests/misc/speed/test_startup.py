"""The benchmark of start-up."""

import sys
import time

import pytest
from helpers.commands import CONFIG

from misc.speed import startup
from trainer import trainer, training

PHASES = ["imports", "config", "model", "data", "first batch", "first step"]


@pytest.fixture
def unpatched(monkeypatch):
    """Restore what a start replaces in its process."""
    for owner, name in (
        (training, "seed_everything"),
        (training, "build_lr_scheduler"),
        (training, "build_evaluation_loaders"),
        (trainer, "to_device"),
        (trainer.LossSum, "add"),
        (sys, "argv"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))


def test_each_phase_of_a_start_is_measured_until_its_end(workplace, unpatched):
    found = startup.run_first_step(time.time() - 1, ["--config", CONFIG])
    assert list(found) == PHASES
    assert found["imports"] >= 1 and sorted(found.values()) == list(found.values())


def test_a_start_that_fails_is_no_measurement(workplace, unpatched, capsys):
    with pytest.raises(SystemExit, match="2"):
        startup.run_first_step(time.time(), ["--config", "nowhere.json"])
    assert "nowhere.json: not found" in capsys.readouterr().err


def test_medians_leave_out_the_first_start(tmp_path, monkeypatch, capsys):
    (tmp_path / "MSRVTT-1000").mkdir()
    first = iter([99, 1, 5, 2])
    asked = []

    def measure(arguments):
        asked.append(arguments)
        imported = next(first)
        return {phase: imported + i for i, phase in enumerate(PHASES)}

    monkeypatch.setattr(startup, "measure", measure)
    monkeypatch.setattr(startup, "SHORT", {"python": ["-c", "pass"], "sleep": ["-c", "import time; time.sleep(0.2)"]})
    found = startup.run(tmp_path, 1000, repetitions=3)
    arguments = ["--config", startup.CONFIG, "--set", f"data_loader.args.data_dir={tmp_path / 'MSRVTT-1000'}"]
    assert asked == [arguments] * 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"train.py {' '.join(arguments)}; median of 3 starts:"
    assert lines[1].split() == ["imports", "2.00", "s,", "over", "after", "2.00", "s"]
    assert lines[6].split() == ["first", "step", "1.00", "s,", "over", "after", "7.00", "s"]
    assert found["short"]["sleep"] >= 0.2 > 0 < found["short"]["python"]
    assert lines[7].split()[0] == "python" and lines[8].split() == ["sleep", f"{found['short']['sleep']:.2f}", "s"]
    assert found["median"] == {phase: 2 + i for i, phase in enumerate(PHASES)} and len(found["starts"]) == 3
