"""The benchmark of training beside other work."""

import json
import subprocess

from misc import benchmark
from misc.speed import busy


def test_every_setting_is_measured_alone_and_beside_busy_processes(call, tmp_path, monkeypatch):
    calls, running = [], []

    class Process:
        def __init__(self, command):
            running.append(self)

        def kill(self):
            running.remove(self)

        def wait(self):
            assert self not in running

    def call_in_process(function, config, videos, seconds, variables):
        assert function is busy.count_steps
        calls.append((config, len(running), tuple(variables)))
        return (8.0 if "OMP_NUM_THREADS" in variables else 10.0) / (1 + len(running))

    monkeypatch.setattr(busy, "call_in_process", call_in_process)
    monkeypatch.setattr(busy, "count_cores", lambda: 3)
    monkeypatch.setattr(subprocess, "Popen", Process)
    path = tmp_path / "busy.json"
    code, out, _ = call(benchmark, "--busy", "--json", path)
    figures = json.loads(path.read_text())["figures"]
    assert code == 0 and len(out.splitlines()) == 2 + len(figures) and not running
    assert {load for _, load, _ in calls} == {0, 3} and len(calls) == 2 * len(figures) * busy.TURNS
    expected = {"default": (10, 2.5), "long spinning": (10, 2.5), "one thread": (8, 2)}
    assert [(x["alone"], x["beside"]) for x in figures] == list(expected.values()) * len(busy.STEPS)


def test_steps_are_counted():
    assert busy.count_steps(*busy.STEPS["Stamps2"], 0.01) > 0
