"""Many videos at once: what comes of them, of those that kill their process or take too long, and that nothing is left."""

import os
import signal
import sys
import time
from pathlib import Path

import clips
import numpy as np
import pytest

from misc.extraction import engines
from misc.extraction.engines import run_in_processes, run_on_ray
from misc.extraction.settings import Settings
from misc.extraction.worker import ExtractionResult, ExtractionTask, Worker
from misc.extractors.extractor import EXTRACTORS


class Mishaps:
    """Work in whose midst what the name of a video says happens."""

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


def children():
    """The processes below this one, but for those that Python itself keeps."""
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


def assert_mishaps_are_told(outcomes, names, slow):
    assert sorted(outcome.task.id for outcome in outcomes) == sorted(names)  # each once
    failures = {outcome.task.id: outcome.failure for outcome in outcomes if outcome.failure}
    assert failures.keys() == {"exits1", "killed1", "slow1", "bad1"}
    assert failures["bad1"] == "no video track"
    assert failures["exits1"].startswith(engines.DIED) and failures["killed1"].startswith(engines.DIED)
    assert slow in failures["slow1"]


NAMES = ["a1", "exits1", "a2", "a3", "killed1", *(f"b{i}" for i in range(8)), "slow1", "bad1", "c1", "c2", "c3"]


def test_a_video_that_kills_its_process_or_takes_too_long_fails_alone():
    before = children()
    found = list(run_in_processes(Mishaps(), tasks(*NAMES), 2, 4))
    assert_mishaps_are_told(found, NAMES, "it took longer than 4 s (--timeout)")
    assert children() == before


def test_videos_are_given_out_as_they_are_asked_for_and_the_end_of_asking_ends_all():
    before, given = children(), []

    def endless():
        for i in range(10**9):
            given.append(i)
            yield from tasks(f"{'slow' if i > 5 else 'a'}{i}")

    outcomes = run_in_processes(Mishaps(), endless(), 2, 60)
    assert next(outcomes).failure is None and len(children()) > len(before)
    outcomes.close()
    assert len(given) <= 2 * engines.QUEUED + 1 and children() == before


def test_nothing_to_do():
    assert list(run_in_processes(Mishaps(), [], 2, 4)) == []


@pytest.fixture
def ray():
    """Ray's processes have this module."""
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield ray
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mishaps_with_ray(ray):
    found = list(run_on_ray(Mishaps(), tasks(*NAMES), 2, 4))
    assert_mishaps_are_told(found, NAMES, "it took longer than 4 s (--timeout)")
    assert not ray.is_initialized()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_engines_give_equal_arrays(ray, tmp_path):
    """All experts, also where a process has heard others before; and a file that is none."""
    experts = tuple(EXTRACTORS)
    said = ("the football team has won the game", "this is a story about a small dog", "the man and the woman are at home")
    work = Worker(Settings(experts={name: {"extractor": name} for name in experts}).model_dump_json(), "cpu", 1)
    rng, todo = np.random.default_rng(0), []
    for i in range(7):
        path = tmp_path / f"v{i}.webm"
        frames = rng.integers(0, 256, (4, 64, 64, 3), np.uint8)
        sound = clips.spoken(said[i % 3], 48000)
        clips.write(path, frames, 4, sound, codec="libvpx", sound_codec="libopus")
        todo.append(ExtractionTask(path.stem, path, experts))
    todo[2].path.write_bytes(b"none")
    alone, local, there = (
        {outcome.task.id: outcome for outcome in outcomes}
        for outcomes in (map(work.extract, todo), run_in_processes(work, todo, 2, 300), run_on_ray(work, todo, 2, 300))
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
