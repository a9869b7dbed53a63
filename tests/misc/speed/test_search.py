"""The benchmark of search, on a few videos."""

import json

from misc import benchmark
from misc.speed import search
from misc.speed.settings import SEARCH_METHODS as METHODS


def test_exact_methods_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "CHUNK", 100)
    built = search.build("flat", 250, 8, str(tmp_path))
    assert built["videos a second"] > 0 and built["disk"] == search.FaissStore(tmp_path / "flat-250").size()
    found = {method: search.ask(method, 250, 8, str(tmp_path)) for method in ("model's score", "plain matrix", "flat")}
    best = [x["best"] for x in found.values()]
    assert len(best[0]) == search.BATCH and best[0] == best[1] == best[2]
    assert len({video for row in best[0] for video in row}) > 50  # otherwise any results would agree
    assert all(x["one query"] > 0 and x[f"{search.BATCH} queries"] > 0 for x in found.values())


def test_every_method_is_measured_and_written(call, tmp_path, monkeypatch):
    calls = []

    def call_in_process(function, *arguments):
        if function is search.measure_floor:
            return function(*arguments)
        method, size, dim, _ = arguments
        calls.append((function.__name__, method, size, dim))
        if function is search.build:
            return {"videos a second": 1000.0, "disk": 1 << 20, "effort": 1}
        best = [["a", "b"], ["c", "d"]] if method != "ivf" else [["a", "x"], ["c", "d"]]
        return {"one query": 0.002, f"{search.BATCH} queries": 0.1, "resident": 3 << 20, "best": best}

    monkeypatch.setattr(search, "call_in_process", call_in_process)
    path = tmp_path / "search.json"
    arguments = ["--sizes", 100, 200, "--dim", 8, "--folder", tmp_path, "--json", path]
    code, out, _ = call(benchmark, "--search", *arguments)
    assert code == 0 and len(out.splitlines()) == 2 + 2 * len(METHODS)
    figures = json.loads(path.read_text())["figures"]
    assert [(x["videos"], x["side"]) for x in figures] == [(n, method) for n in (100, 200) for method in METHODS]
    recalls = {x["side"]: x.get("recall@10") for x in figures}
    assert recalls == {**dict.fromkeys(METHODS, 1), "ivf": 0.75, "floor": None}
    assert all(x["one query"] > 0 for x in figures)
    assert ("build", "hnsw", 200, 8) in calls and ("build", "plain matrix", 200, 8) not in calls


def test_chosen_methods_have_a_recall_only_beside_an_exact_one(call, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "CHUNK", 100)
    path = tmp_path / "search.json"
    for methods, expected in ((["ivf"], [None]), (["flat", "ivf"], [1, 1])):
        arguments = ["--sizes", 120, "--dim", 4, "--folder", tmp_path, "--json", path, "--methods", *methods]
        assert call(benchmark, "--search", *arguments)[0] == 0
        assert [x.get("recall@10") for x in json.loads(path.read_text())["figures"]] == expected
