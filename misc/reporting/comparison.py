"""A comparison of runs as plain values, as text and as a page."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from logger.results import METRIC_LABELS
from misc.reporting.run_groups import RunGroup
from misc.reporting.significance import RANDOMIZATIONS, compare, holm
from misc.reporting.tables import LEVEL, SCORES, TASKS
from model.metric import summarize
from utils.errors import count_text
from utils.files import write_bytes, write_json
from utils.visualizer.visualizer import FOLDER, render

COLUMNS = ("R1", "R5", "R10", "R50", "MedR", "MeanR", "MRR")  # of the table of groups
DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}
PAGE_QUERIES = 100  # of a pair, a direction and a side, on the page


def compare_groups(
    groups: Sequence[RunGroup],
    metrics: Sequence[str],
    hit: int,
    only_first: bool = False,
    randomizations: int = RANDOMIZATIONS,
) -> dict[str, Any]:
    """Return the metrics of each group, a test per pair, direction and metric, and the queries that pairs differ in.

    Args:
        metrics: names in `tables.SCORES`.
        hit: number of the first items that the right one has to be among.
        only_first: whether pairs are only those with the first group.

    Returns:
        split, v2t_ties, videos, captions.
        groups: {name, config, runs (files), seeds, leaky, t2v and v2t (name -> {mean, std (None: one run)})}.
        tests: {task, metric, first, second (names), difference (second minus first), low, high (95 % confidence interval),
            p_models, p_configs (None: one run each), p_holm (p_configs, corrected for the number of tests of configs)}.
        queries: {task, first, second, hit, only_first, only_second}: the queries that more than half of the runs of one
            group have a hit for, and less than half of the other's: {query, text, first, second (ranks by run, 1-based)}.
    """
    reference = groups[0].runs[0]
    pairs = [(groups[0], x) for x in groups[1:]] if only_first else list(itertools.combinations(groups, 2))
    tests = [
        compare_metric(first, second, task, metric, randomizations)
        for first, second in pairs
        for task in TASKS
        for metric in metrics
    ]
    of_configs = [x for x in tests if x["p_configs"] is not None]
    for test, corrected in zip(of_configs, holm([x["p_configs"] for x in of_configs]), strict=True):
        test["p_holm"] = corrected
    return {
        "split": reference.split,
        "v2t_ties": reference.v2t_ties,
        "videos": len(reference.videos),
        "captions": len(reference.captions),
        "groups": [_summary(group) for group in groups],
        "tests": tests,
        "queries": [_queries(first, second, task, hit) for first, second in pairs for task in TASKS],
    }


def _summary(group: RunGroup) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": group.name,
        "config": group.runs[0].config,
        "runs": [str(path) for path in group.paths],
        "seeds": [run.seed for run in group.runs],
        "leaky": any(run.leaky for run in group.runs),
    }
    for task in TASKS:
        by_run = [summarize(ranks) | {"MRR": float(SCORES["MRR"](ranks).mean())} for ranks in group.ranks(task)]
        columns = {name: [values[name] for values in by_run] for name in COLUMNS}
        found[task] = {
            name: {"mean": statistics.fmean(x), "std": statistics.stdev(x) if len(x) > 1 else None}
            for name, x in columns.items()
        }
    return found


def compare_metric(
    first: RunGroup, second: RunGroup, task: str, metric: str, randomizations: int = RANDOMIZATIONS
) -> dict[str, Any]:
    """Return the test of one metric in one direction, in the form of the `tests` of `compare_groups`, without p_holm."""
    samples = [group.sample(task, metric) for group in (first, second)]
    if [run.checkpoint for run in first.runs] == [run.checkpoint for run in second.runs]:  # the noise of seeds cancels
        samples = [samples[1] - samples[0]]
    found = compare(samples, int(first.queries_per_video(task).sum()), randomizations)
    return {
        "task": task,
        "metric": metric,
        "first": first.name,
        "second": second.name,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "p_models": found.p_models,
        "p_configs": found.p_configs,
        "p_holm": None,
    }


def _queries(first: RunGroup, second: RunGroup, task: str, hit: int) -> dict[str, Any]:
    ranks = [group.ranks(task) for group in (first, second)]
    hits = [((x <= 0) if hit == 1 else (x < hit)).mean(axis=0) for x in ranks]
    typical = [np.median(x, axis=0) for x in ranks]
    found = {"task": task, "first": first.name, "second": second.name, "hit": hit}
    for key, one, other in (("only_first", 0, 1), ("only_second", 1, 0)):
        chosen = np.flatnonzero((hits[one] > 0.5) & (hits[other] < 0.5))
        order = np.argsort((typical[one] + 1)[chosen] / (typical[other] + 1)[chosen], kind="stable")
        found[key] = [_query(first, task, int(q), ranks) for q in chosen[order]]
    return found


def _query(group: RunGroup, task: str, number: int, ranks: Sequence[np.ndarray]) -> dict[str, Any]:
    run = group.runs[0]
    if task == "t2v":
        name, text = run.captions[number], run.texts[number]
    else:
        own = [text for text, owner in zip(run.texts, run.owners, strict=True) if owner == number and text]
        name, text = run.videos[number], " / ".join(own)
    first, second = ((x[:, number] + 1).tolist() for x in ranks)
    return {"query": name, "text": text, "first": first, "second": second}


def format_comparison(content: Mapping[str, Any], num_queries: int) -> str:
    """Return a comparison as text, with up to `num_queries` queries of each pair, direction and side."""
    sizes = f"{count_text(content['videos'], 'video')}, {count_text(content['captions'], 'caption')}"
    lines = [f"split {content['split']}: {sizes}; v2t_ties {content['v2t_ties']}"]
    for task in TASKS:
        rows = [[task, "runs", *(METRIC_LABELS.get(name, name) for name in COLUMNS)]]
        for group in content["groups"]:
            values = [mean_text(group[task][name]) for name in COLUMNS]
            rows.append([label(group), str(len(group["seeds"])), *values])
        lines += ["", *align(rows)]
    headings = ["", "metric", "difference", "95 %", "p models", "p configs", "p Holm", ""]
    rows = []
    for test in content["tests"]:
        name = f"{test['task']}: {test['second']} - {test['first']}"
        interval = "-" if test["low"] is None else f"{test['low']:+.1f} to {test['high']:+.1f}"
        p_values = [p_text(test[key]) for key in ("p_models", "p_configs", "p_holm")]
        metric = METRIC_LABELS.get(test["metric"], test["metric"])
        rows.append([name, metric, f"{test['difference']:+.1f}", interval, *p_values, verdict(test)])
    lines += ["", *align([headings, *rows]), "", explanation(content)]
    for pair in content["queries"]:
        for key, one, other in (("only_first", "first", "second"), ("only_second", "second", "first")):
            found = pair[key]
            lines.append("")
            lines.append(
                f"{pair['task']}: {len(found)} {'query' if len(found) == 1 else 'queries'} with a hit at "
                f"{pair['hit']} by {pair[one]}, not by {pair[other]}"
            )
            rows = [[f"  {ranks_text(x[one])}", ranks_text(x[other]), shorten(x)] for x in found[:num_queries]]
            lines += align(rows, left=(2,))
    return "\n".join(lines)


def explanation(content: Mapping[str, Any]) -> str:
    """Return how to read the tests."""
    count = sum(test["p_configs"] is not None for test in content["tests"])
    text = "p models: these models on other videos; p configs: other seeds, too"
    if count:
        text += f"; p Holm: p configs, corrected for {count_text(count, 'test')}; * for p Holm up to {LEVEL}"
    if count < len(content["tests"]):
        text += (
            "\none run each: p models says nothing about the configs, as two seeds of one config differ, too; train with "
            "--seeds to compare configs"
        )
    return text


def verdict(test: Mapping[str, Any]) -> str:
    """Return the mark of a significant difference of configs."""
    return "*" if test["p_holm"] is not None and test["p_holm"] <= LEVEL else ""


def label(group: Mapping[str, Any]) -> str:
    """Return the name of a group for display, marked if the similarity is the leaky one."""
    return group["name"] + (" (LEAKY)" if group["leaky"] else "")


def mean_text(value: Mapping[str, float | None]) -> str:
    """Return mean and standard deviation as text."""
    return f"{value['mean']:.1f}" + ("" if value["std"] is None else f" ({value['std']:.1f})")


def p_text(p: float | None) -> str:
    """Return a p-value as text."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def ranks_text(ranks: Sequence[float]) -> str:
    """Return the ranks of a query as text."""
    return ",".join(f"{rank:g}" for rank in ranks)


def shorten(query: Mapping[str, Any], limit: int = 70) -> str:
    """Return the name and the text of a query on one line."""
    text = " ".join(f"{query['query']}  {query['text']}".split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def align(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Return rows as lines of columns of equal width, to the right except for the columns `left`."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cell(i: int, text: str) -> str:
        return text.ljust(widths[i]) if i in left else text.rjust(widths[i])

    return ["  ".join(cell(i, text) for i, text in enumerate(row)).rstrip() for row in rows]


def write_comparison(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write `comparison.json` and a page to `folder`, and return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "comparison.json", content)
    for path in (FOLDER / "page.css", Path(__file__).with_name("comparison.css")):
        write_bytes(folder / path.name, path.read_bytes())
    html = render(
        Path(__file__).with_name("comparison.html.j2"),
        **content,
        directions=DIRECTIONS,
        columns=COLUMNS,
        labels=METRIC_LABELS,
        limit=PAGE_QUERIES,
        explanation=explanation(content),
        functions={"label": label, "mean": mean_text, "p": p_text, "ranks": ranks_text, "verdict": verdict},
    )
    write_bytes(folder / "index.html", html.encode("utf-8", "replace"))
    return folder / "index.html"
