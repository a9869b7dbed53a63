"""Extraction in processes and on Ray: results, failures, time limits, and no remaining processes."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.daily import on_days

from misc.extraction import engines
from misc.extraction.engines import ProcessEngine, RayEngine
from misc.extraction.settings import Settings
from misc.extraction.worker import ExtractionResult, ExtractionTask, Worker
from utils.errors import InputError


class FailingWorker:
    """A worker that fails as the name of a video says, or its own."""

    def __init__(self, name=""):
        self._name = name

    def describe(self):
        if self._name == "dies":
            os._exit(3)
        raise InputError("no such model")

    def extract(self, task):
        match task.id.rstrip("0123456789"):
            case "exits":
                os._exit(3)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "slow":
                time.sleep(1000)
            case "bad":
                return ExtractionResult(task, failure="no video track")
        time.sleep(0.01)
        return ExtractionResult(task, seconds={"pid": os.getpid()})


def tasks(*names):
    return [ExtractionTask(name, Path(name), ()) for name in names]


def run(engine, worker, todo):
    """Yield what an engine with one process extracts."""
    with engine(worker, 1, 300) as opened:
        yield from opened.extract(todo)


def children():
    """Return the child processes of this one, without those of Python itself."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            command = (path.parent / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid() and command and b"resource_tracker" not in command:
            found.append(int(path.parent.name))
    return found


def assert_failures_are_reported(outcomes, names, slow):
    assert sorted(outcome.task.id for outcome in outcomes) == sorted(names)  # each once
    failures = {outcome.task.id: outcome.failure for outcome in outcomes if outcome.failure}
    assert failures.keys() == {"exits1", "killed1", "slow1", "bad1"}
    assert failures["bad1"] == "no video track"
    assert failures["exits1"].startswith(engines.DIED) and failures["killed1"].startswith(engines.DIED)
    assert slow in failures["slow1"]


NAMES = ["a1", "exits1", "a2", "a3", "killed1", *(f"b{i}" for i in range(8)), "slow1", "bad1", "c1", "c2", "c3"]


def test_a_video_that_kills_its_process_or_times_out_fails_alone():
    before = children()
    with ProcessEngine(FailingWorker(), 2, 4) as engine:
        found = list(engine.extract(tasks(*NAMES)))
    assert_failures_are_reported(found, NAMES, "it took longer than 4 s (--timeout)")
    assert children() == before


def test_videos_are_scheduled_on_demand_and_an_error_ends_all_processes():
    before, given = children(), []

    def endless():
        for i in range(10**9):
            given.append(i)
            yield from tasks(f"{'slow' if i > 5 else 'a'}{i}")

    with pytest.raises(KeyboardInterrupt), ProcessEngine(FailingWorker(), 2, 60) as engine:
        assert next(engine.extract(endless())).failure is None and len(children()) > len(before)
        raise KeyboardInterrupt
    assert len(given) <= 2 * engines.QUEUED + 1 and children() == before


def test_nothing_to_do():
    before = children()
    with ProcessEngine(FailingWorker(), 2, 4) as engine:
        assert list(engine.extract([])) == []
    assert children() == before


def test_experts_are_described_by_a_process():
    """A description that fails is told like any invalid input, and so is a process that dies."""
    with ProcessEngine(
        Worker(Settings(experts={"scene": {"extractor": "scene"}}).model_dump_json(), "cpu", 1), 1, 60
    ) as engine:
        found = engine.describe()
    assert found.experts == {"scene": {"dim": 424, "aggregation": "avg", "kind": "sequence"}}
    assert found.text == {"encoder": "minilm", "feat": "minilm", "dim": 384}
    for name, message in (("describes_badly", "no such model"), ("dies", "experts: the process that loads them died")):
        before = children()
        with pytest.raises(InputError, match=message), ProcessEngine(FailingWorker(name), 1, 60) as engine:
            engine.describe()
        assert children() == before


@pytest.fixture
def ray(monkeypatch):
    """Make this module available in processes of Ray, which otherwise wait for all other processes of this machine."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield ray
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@on_days(2, 0)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_failures_with_ray(ray):
    with RayEngine(FailingWorker(), 2, 4) as engine:
        found = list(engine.extract(tasks(*NAMES)))
    assert_failures_are_reported(found, NAMES, "it took longer than 4 s (--timeout)")
    assert not ray.is_initialized()


@on_days(2, 1)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_engines_give_equal_arrays(ray, tmp_path):
    """Compare experts of frames, sound and words on several videos, and an invalid file."""
    experts = ("rgb", "flow", "audio", "ocr", "speech")
    said = ("the football team has won the game", "this is a story about a small dog", "the man and the woman are at home")
    work = Worker(Settings(experts={name: {"extractor": name} for name in experts}).model_dump_json(), "cpu", 1)
    rng, todo = np.random.default_rng(0), []
    for i in range(3):
        path = tmp_path / f"v{i}.webm"
        frames = rng.integers(0, 256, (4, 64, 64, 3), np.uint8)
        sound = pyav_videos.spoken(said[i], 48000)
        pyav_videos.write(path, frames, 4, sound, codec="libvpx", sound_codec="libopus")
        todo.append(ExtractionTask(path.stem, path, experts))
    todo[2].path.write_bytes(b"none")
    alone, local, there = (
        {outcome.task.id: outcome for outcome in outcomes}
        for outcomes in (map(work.extract, todo), *(run(engine, work, todo) for engine in (ProcessEngine, RayEngine)))
    )
    assert list(alone) == sorted(local) == sorted(there)
    for name, expected in alone.items():
        for other in (local[name], there[name]):
            assert other.failure == expected.failure and (expected.failure is None) == (name != "v2")
            assert other.outputs.keys() == expected.outputs.keys()
            for expert, found in expected.outputs.items():
                assert (found is None) == (other.outputs[expert] is None)
                if found:
                    assert found.features.dtype == other.outputs[expert].features.dtype == np.float16
                    assert np.array_equal(found.features, other.outputs[expert].features), (name, expert)
                    assert found.words == other.outputs[expert].words
    assert alone["v0"].outputs.keys() == set(experts) and alone["v0"].outputs["speech"] is not None
