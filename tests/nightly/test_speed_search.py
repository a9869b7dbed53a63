"""The benchmark of search, on a few videos."""

from misc.speed import search


def test_a_method_runs_in_a_new_process(tmp_path):
    assert len(search.call_in_process(search.ask, "plain matrix", 100, 4, str(tmp_path))["best"]) == search.BATCH
