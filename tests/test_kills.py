"""Trainings that are killed again and again end with the weights and metrics of one that was left alone."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import CONFIG, MODELS, assert_equal_weights
from conftest import ROOT
from ranking import listed, shown

ARGUMENTS = ["--config", CONFIG, "--resume", "auto", "--set", "trainer.epochs=4", "--disable_workers"]
PAGE = ["--set", 'visualizer={"type": "Visualizer", "args": {}}']
MOST_ATTEMPTS = 60


class Nursery:
    """The program of that name."""

    def __init__(self):
        command = [sys.executable, ROOT / "tests" / "nursery.py"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.kills = 0

    def train(self, arguments, death=None):
        """The exit code of a training, negative for a signal that killed it, the number of events, and what it printed."""
        output = Path("output.txt")
        output.unlink(missing_ok=True)
        print(json.dumps([str(Path.cwd()), arguments, str(output), death]), file=self.process.stdin, flush=True)
        code, events = json.loads(self.process.stdout.readline())
        self.kills += code < 0 or code in (130, 143)
        return code, events, output.read_text()


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery()
    yield nursery
    nursery.process.stdin.close()
    nursery.process.stdout.close()
    nursery.process.wait(timeout=60)
    print(f"\n{nursery.kills} kills survived")


@pytest.fixture
def whole(workplace, nursery):
    """The folder of a training that was left alone, out of the way, its seconds and its events; the caches are gone."""
    started = time.perf_counter()
    code, events, out = nursery.train([*ARGUMENTS, *PAGE])
    seconds = time.perf_counter() - started
    assert code == 0, out
    Path("data/saved").rename("whole")
    for path in Path("data/Toy/cache").iterdir():
        path.unlink()
    return Path("whole"), seconds, events


def results(saved):
    """Of the run that is finished: its folder, metrics without names of folders, and what its page shows."""
    (path,) = (saved / MODELS.relative_to("data/saved")).glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    del metrics["checkpoint"], metrics["validation"]["steps_per_second"]
    page = saved / "web" / MODELS.name / path.parent.name
    return path.parent, metrics, [(at, shown(page, number)) for number, at in enumerate(listed(page), 1)]


def assert_like(whole):
    """The finished run, and nothing else that goes for one, is as the one that was left alone."""
    expected, found = results(whole), results(Path("data/saved"))
    assert found[1:] == expected[1:]
    assert sorted(x.name for x in found[0].glob("[!.]*")) == sorted(x.name for x in expected[0].glob("[!.]*"))
    for name in ("checkpoint-epoch4.pth", "trained_model.pth"):
        assert_equal_weights(expected[0] / name, found[0] / name)


def survive(nursery, death):
    """Train and be killed, until the training is done.

    Args:
        death: when, in attempt n; later and later, or there would be no end.
    """
    for attempt in range(MOST_ATTEMPTS):
        code, _, out = nursery.train([*ARGUMENTS, *PAGE], death(attempt))
        # Python itself tells of one, and goes on, when Ctrl-C comes in a callback of its own before the training has begun.
        assert "Traceback" not in out or (code == 0 and "Exception ignored in" in out), out
        if code == 0 or list(MODELS.glob("*/metrics.json")):  # they come last
            return
        assert code in (-signal.SIGKILL, -signal.SIGTERM, 130, 143), out
    raise AssertionError("no end")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_while_files_are_written(whole, nursery, seed):
    """Caches, configs, checkpoints, pages and metrics: half written, or just in their place."""
    saved, _, events = whole
    assert events > 30
    rng = random.Random(seed)
    survive(nursery, lambda attempt: {"event": rng.randrange(3 + 2 * attempt)})
    assert_like(saved)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_at_any_moment(whole, nursery, number):
    saved, seconds, _ = whole
    rng = random.Random(number)
    survive(nursery, lambda attempt: {"seconds": rng.uniform(0.2, 0.5 + attempt / 10) * seconds, "signal": number})
    assert_like(saved)


@pytest.mark.slow
def test_there_were_enough(nursery):
    """Of the tests above; alone this one has nothing to count."""
    if nursery.kills == 0:
        pytest.skip("none of the other tests of this file ran")
    assert nursery.kills >= 50
