"""Comparisons of groups of runs, their text and their page."""

import html.parser
import json
import statistics

import numpy as np
import pytest
from helpers.compared_runs import write_experiment, write_run

from misc.reporting.comparison import compare_groups, format_comparison, write_comparison
from misc.reporting.run_groups import read_groups
from misc.reporting.significance import compare, holm
from model.metric import summarize

METRICS = ["R1", "R10"]


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return read_groups([str(write_experiment(name, skill)) for name, skill in (("ce", 0), ("moee", 0.02), ("better", 1.5))])


def test_a_table_has_mean_and_deviation_over_runs(groups):
    content = compare_groups(groups, METRICS, 10)
    assert (content["split"], content["videos"], content["captions"]) == ("test", 40, 80)
    for group, shown in zip(groups, content["groups"], strict=True):
        for task in ("t2v", "v2t"):
            values = [summarize(np.array(run.ranks[task]))["R10"] for run in group.runs]
            assert shown[task]["R10"] == {"mean": statistics.fmean(values), "std": pytest.approx(statistics.stdev(values))}


def test_every_pair_is_tested_in_both_directions_and_corrected_together(groups):
    content = compare_groups(groups, METRICS, 10)
    tests = content["tests"]
    pairs = [("ce", "moee"), ("ce", "better"), ("moee", "better")]
    expected = [(one, other, task, metric) for one, other in pairs for task in ("t2v", "v2t") for metric in METRICS]
    assert [(x["first"], x["second"], x["task"], x["metric"]) for x in tests] == expected
    assert [x["p_holm"] for x in tests] == holm([x["p_configs"] for x in tests])
    found = compare([groups[1].sample("t2v", "R10"), groups[2].sample("t2v", "R10")], 80)
    assert (tests[9]["difference"], tests[9]["p_configs"]) == (found.value, found.p_configs)
    assert found.value > 10 and tests[9]["p_holm"] < 0.05 < tests[0]["p_holm"]
    to_first = compare_groups(groups, METRICS, 10, only_first=True)
    assert {(x["first"], x["second"]) for x in to_first["tests"]} == {("ce", "moee"), ("ce", "better")}
    assert len(to_first["queries"]) == 4


def test_queries_are_those_that_most_runs_of_one_group_have_a_hit_for(groups):
    for hit in (1, 10):
        content = compare_groups(groups, METRICS, hit)
        pair = content["queries"][2]
        assert (pair["first"], pair["second"], pair["task"], pair["hit"]) == ("ce", "better", "t2v", hit)
        for key, one, other in (("only_first", 0, 2), ("only_second", 2, 0)):
            ranks = {x: groups[x].ranks("t2v") + 1 for x in (one, other)}
            wanted = {q for q in range(80) if sum(ranks[one][:, q] <= hit) >= 2 and sum(ranks[other][:, q] <= hit) <= 1}
            names = groups[0].runs[0].captions
            assert {x["query"] for x in pair[key]} == {names[q] for q in wanted}
            assert len(pair["only_second"]) > 5
    shown = pair["only_second"][0]
    q = groups[0].runs[0].captions.index(shown["query"])
    assert shown["first"] == (groups[0].ranks("t2v")[:, q] + 1).tolist()
    assert shown["second"] == (groups[2].ranks("t2v")[:, q] + 1).tolist()
    assert shown["text"] == groups[0].runs[0].texts[q]
    gains = [np.median(x["first"]) / np.median(x["second"]) for x in pair["only_second"]]
    assert gains == sorted(gains, reverse=True)
    of_video = content["queries"][3]["only_second"][0]
    assert of_video["text"] == f"text 0 of <{of_video['query']}> / text 1 of <{of_video['query']}>"


def test_a_tie_for_first_is_no_hit_at_1(groups):
    for group, rank in zip(groups[:2], (0.0, 0.5), strict=True):
        for run in group.runs:
            run.ranks["v2t"] = [rank] * 40
    found = compare_groups(groups[:2], METRICS, 1)["queries"][1]
    assert len(found["only_first"]) == 40 and found["only_second"] == []


def test_one_run_each_is_never_called_a_difference_of_configs(groups, tmp_path):
    runs = [write_run(tmp_path / name / "t", skill=skill) for name, skill in (("a", 0), ("b", 2))]
    content = compare_groups(read_groups(list(map(str, runs))), METRICS, 10)
    assert all(x["p_holm"] is None and x["p_configs"] is None and x["p_models"] < 0.01 for x in content["tests"][1::2])
    assert all(group["t2v"]["R1"]["std"] is None for group in content["groups"])
    text = format_comparison(content, 0)
    assert "one run each: p models says nothing about the configs" in text and "<0.001" in text
    assert "p Holm:" not in text
    assert not [line for line in text.splitlines() if line.endswith("*")]


def test_the_same_runs_with_and_without_a_query_bank_are_paired(groups, tmp_path):
    found = read_groups([str(write_experiment("bank", querybank=True))], querybank=True)
    (test,) = [x for x in compare_groups(found, ["MeanR"], 10)["tests"] if x["task"] == "v2t"]
    difference = found[1].sample("v2t", "MeanR") - found[0].sample("v2t", "MeanR")
    assert test["p_configs"] == compare([difference], 40).p_configs
    assert test["difference"] == pytest.approx(difference.mean()) and test["difference"] < 0


def test_the_text_shows_groups_tests_and_queries(groups):
    content = compare_groups(groups, METRICS, 10)
    text = format_comparison(content, 2)
    lines = text.splitlines()
    assert lines[0] == "split test: 40 videos, 80 captions; v2t_ties expected"
    (line,) = [line for line in lines if line.startswith("t2v: better - moee") and " R@10 " in line]
    assert line.endswith("*") and f"{content['tests'][9]['difference']:+.1f}" in line
    marked = [line for line in lines if line.endswith("*")]
    assert 0 < len(marked) == sum(test["p_holm"] <= 0.05 for test in content["tests"]) < 12
    assert "p Holm: p configs, corrected for 12 tests" in text and "one run each" not in text
    count = len(content["queries"][2]["only_second"])
    at = lines.index(f"t2v: {count} queries with a hit at 10 by better, not by ce")
    first = content["queries"][2]["only_second"][0]
    assert first["query"] in lines[at + 1] and ",".join(f"{x:g}" for x in first["second"]) in lines[at + 1]
    assert lines[at + 3] == ""  # two queries


class Cells(html.parser.HTMLParser):
    """The text of each cell of the tables of a page, and all addresses."""

    def __init__(self):
        super().__init__()
        self.cells, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href") and not value.startswith("data:")]
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def test_the_page_shows_the_same_and_needs_no_script_or_network(groups, tmp_path):
    groups[0].name = "<script>x</script>"
    content = compare_groups(groups, METRICS, 10)
    path = write_comparison(tmp_path / "new" / "page", content)
    assert json.loads((path.parent / "comparison.json").read_text()) == content
    text = path.read_text()
    page = Cells()
    page.feed(text)
    assert sorted(page.addresses) == ["comparison.css", "page.css"] and all(
        (path.parent / x).is_file() for x in page.addresses
    )
    assert "<script" not in text
    assert f"{content['tests'][9]['difference']:+.1f}" in page.cells and "better − moee" in page.cells
    first = content["queries"][2]["only_second"][0]
    assert any(first["text"] in cell for cell in page.cells) and any(first["query"] in cell for cell in page.cells)
    mean = content["groups"][2]["v2t"]["R10"]
    assert f"{mean['mean']:.1f} ({mean['std']:.1f})" in page.cells


def test_the_page_marks_leaky_runs(groups, tmp_path):
    assert "Leaky" not in write_comparison(tmp_path, compare_groups(groups, METRICS, 10)).read_text()
    groups[1].runs[0].leaky = True
    content = compare_groups(groups, METRICS, 10)
    text = write_comparison(tmp_path, content).read_text()
    assert "Leaky" in text and "moee (LEAKY)" in text and "moee (LEAKY)" in format_comparison(content, 1)
