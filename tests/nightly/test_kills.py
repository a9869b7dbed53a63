"""Trainings that are killed repeatedly end with the weights and metrics of one that ran without interruption."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import CONFIG, MODELS, assert_equal_weights
from helpers.daily import cases_of_today
from helpers.paths import ROOT
from helpers.ranking_pages import listed, shown

ARGUMENTS = ["--config", CONFIG, "--resume", "auto", "--set", "trainer.epochs=4", "--disable_workers"]
PAGE = ["--set", 'visualizer={"type": "Visualizer", "args": {}}']
MAX_ATTEMPTS = 60
SHARE, LEAST = (0, 1), 6  # seeds of continuous integration, and the kills of a seed: 10 or more


class KillServer:
    """A process that runs `kill_server.py`."""

    def __init__(self):
        command = [sys.executable, ROOT / "tests" / "helpers" / "kill_server.py"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.kills = 0

    def train(self, arguments, death=None):
        """Return the exit code of a training (negative: killed by a signal), the number of events, and its output."""
        output = Path("output.txt")
        output.unlink(missing_ok=True)
        print(json.dumps([str(Path.cwd()), arguments, str(output), death]), file=self.process.stdin, flush=True)
        code, events = json.loads(self.process.stdout.readline())
        self.kills += code < 0 or code in (130, 143)
        return code, events, output.read_text()


@pytest.fixture(scope="module")
def server():
    server = KillServer()
    yield server
    server.process.stdin.close()
    server.process.stdout.close()
    server.process.wait(timeout=60)
    print(f"\n{server.kills} kills survived")


@pytest.fixture
def whole(workplace, server):
    """Return the moved folder of an uninterrupted training, its seconds and its events; its caches are deleted."""
    started = time.perf_counter()
    code, events, out = server.train([*ARGUMENTS, *PAGE])
    seconds = time.perf_counter() - started
    assert code == 0, out
    Path("data/saved").rename("whole")
    for path in Path("data/Toy/cache").iterdir():
        path.unlink()
    return Path("whole"), seconds, events


def results(saved):
    """Return the folder of the finished run, its metrics without names of folders, and the content of its page."""
    (path,) = (saved / MODELS.relative_to("data/saved")).glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    del metrics["checkpoint"], metrics["validation"]["steps_per_second"]
    page = saved / "web" / MODELS.name / path.parent.name
    return path.parent, metrics, [(at, shown(page, number)) for number, at in enumerate(listed(page), 1)]


def assert_like(whole):
    """Assert that there is one finished run, with the results of the uninterrupted one."""
    expected, found = results(whole), results(Path("data/saved"))
    assert found[1:] == expected[1:]
    assert sorted(x.name for x in found[0].glob("[!.]*")) == sorted(x.name for x in expected[0].glob("[!.]*"))
    for name in ("checkpoint-epoch4.pth", "trained_model.pth"):
        assert_equal_weights(expected[0] / name, found[0] / name)


def survive(server, death):
    """Train and kill, until the training is done; return the number of kills.

    Args:
        death: attempt -> when it is killed; later in each attempt, or the training would never end.
    """
    before = server.kills
    for attempt in range(MAX_ATTEMPTS):
        code, _, out = server.train([*ARGUMENTS, *PAGE], death(attempt))
        # Python prints a traceback and continues if Ctrl-C comes in one of its own callbacks, before the training starts.
        assert "Traceback" not in out or (code == 0 and "Exception ignored in" in out), out
        if code == 0 or list(MODELS.glob("*/metrics.json")):  # written last
            return server.kills - before
        assert code in (-signal.SIGKILL, -signal.SIGTERM, 130, 143), out
    raise AssertionError("no end")


@pytest.mark.share
def test_continuous_integration_kills_10_times_or_more():
    assert len(SHARE) * LEAST >= 10


@pytest.mark.parametrize("seed", [*(pytest.param(n, marks=pytest.mark.share) for n in SHARE), *cases_of_today((2, 3), 2)])
def test_while_files_are_written(whole, server, seed):
    """Caches, configs, checkpoints, pages and metrics: half written, or just renamed.

    Over 50 kills with the seeds and signals of this file."""
    saved, _, events = whole
    assert events > 30
    rng = random.Random(seed)
    assert survive(server, lambda attempt: {"event": rng.randrange(3 + 2 * attempt)}) >= LEAST
    assert_like(saved)


@pytest.mark.parametrize("number", cases_of_today([signal.SIGKILL, signal.SIGTERM, signal.SIGINT], 3))
def test_at_any_moment(whole, server, number):
    saved, seconds, _ = whole
    rng = random.Random(number)
    assert (
        survive(server, lambda attempt: {"seconds": rng.uniform(0.2, 0.5 + attempt / 10) * seconds, "signal": number}) >= 4
    )
    assert_like(saved)
