"""The command line of all benchmarks."""

import json

from misc import benchmark
from misc.speed import batches, evaluation, metrics, startup, step, store


def test_the_command_measures_it_when_asked_to(call, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(step, "run", lambda *arguments: asked.append(arguments) or {"steps": []})
    assert call(benchmark, "--step", "--json", tmp_path / "step.json", "--device", "0")[0] == 0
    assert call(benchmark, "--step", "--release", "2020")[0] == 0
    assert asked == [(0, "2019"), (None, "2020")] and json.loads((tmp_path / "step.json").read_text()) == {"steps": []}


def test_the_command_line_chooses_a_part_and_writes_its_figures(call, tmp_path, monkeypatch):
    calls = []
    for part in (store, metrics, evaluation, batches, startup):
        name = part.__name__.rpartition(".")[2]
        monkeypatch.setattr(part, "run", lambda *args, name=name: calls.append((name, *args)) or {"part": name})
    path = tmp_path / "x.json"
    for options in (
        ["--folder", tmp_path, "--videos", 1000],
        ["--metrics", "--json", path],
        ["--evaluation", "--folder", tmp_path, "--device", 0],
        ["--batches", "--folder", tmp_path, "--videos", 2000],
        ["--startup", "--json", path, "--folder", tmp_path],
    ):
        path.unlink(missing_ok=True)
        assert call(benchmark, *options)[0] == 0
        written = json.loads(path.read_text()) if path.exists() else None
        assert written == ({"part": calls[-1][0]} if "--json" in options else None)
    assert calls == [
        ("store", tmp_path, 1000),
        ("metrics",),
        ("evaluation", tmp_path, 10_000, 0),
        ("batches", tmp_path, 2000),
        ("startup", tmp_path, 10_000),
    ]
    code, _, err = call(benchmark, "--videos", 999)
    assert code == 2 and "--videos 999: expected at least 1000" in err
    code, _, err = call(benchmark, "--device", 0)
    assert code == 2 and "--device: --store is measured on the CPU" in err


def test_sizes_apply_to_searches_only(call):
    invalid = (["--metrics", "--sizes", 5], ["--dim", 5], ["--channels", "--dim", 5], ["--methods", "flat"])
    for arguments in (*invalid, ["--search", "--sizes", 20, 5], ["--search", "--dim", -1]):
        code, _, err = call(benchmark, *arguments)
        assert code == 2 and err.startswith(("error: --sizes", "error: --dim", "error: --methods"))
