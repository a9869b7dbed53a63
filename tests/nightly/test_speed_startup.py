"""The benchmark of start-up, in processes."""

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
