"""The benchmark of start-up."""

from pathlib import Path

import pytest

from misc.speed import startup
from utils.errors import InputError

PHASES = ["imports", "config", "model", "data", "first batch", "first step"]


def test_a_start_is_measured_phase_by_phase(workplace):
    """In a process of its own, which leaves nothing behind."""
    before = set(Path().rglob("*"))
    config, data = Path("configs/toy/train-ce.json").resolve(), Path("data/Toy").resolve()
    found = startup.measure(["--config", str(config), "--set", f"data_loader.args.data_dir={data}"])
    assert list(found) == PHASES
    assert found["imports"] > 0 and sorted(found.values()) == list(found.values())
    assert {path.parent.name for path in set(Path().rglob("*")) - before} <= {"cache", "Toy"}


def test_a_start_that_fails_is_an_error(capfd):
    with pytest.raises(InputError, match="run_first_step .*nowhere.json.*: ended with exit code 2"):
        startup.measure(["--config", "nowhere.json"])
    assert "nowhere.json: not found" in capfd.readouterr().err


def test_medians_leave_out_the_first_start(tmp_path, monkeypatch, capsys):
    (tmp_path / "MSRVTT-1000").mkdir()
    first = iter([99, 1, 5, 2])
    asked = []

    def measure(arguments):
        asked.append(arguments)
        imported = next(first)
        return {phase: imported + i for i, phase in enumerate(PHASES)}

    monkeypatch.setattr(startup, "measure", measure)
    found = startup.run(tmp_path, 1000, repetitions=3)
    arguments = ["--config", startup.CONFIG, "--set", f"data_loader.args.data_dir={tmp_path / 'MSRVTT-1000'}"]
    assert asked == [arguments] * 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"train.py {' '.join(arguments)}; median of 3 starts:"
    assert lines[1].split() == ["imports", "2.00", "s,", "over", "after", "2.00", "s"]
    assert lines[6].split() == ["first", "step", "1.00", "s,", "over", "after", "7.00", "s"]
    assert found["median"] == {phase: 2 + i for i, phase in enumerate(PHASES)} and len(found["starts"]) == 3
