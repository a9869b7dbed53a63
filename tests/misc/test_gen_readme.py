"""Filling the tables of results from runs."""

import json
import re
import shutil
from pathlib import Path

import pytest
from helpers.commands import train
from helpers.markdown_tables import figure
from helpers.markdown_tables import tables as tables_of
from helpers.paths import ROOT

from misc import gen_readme
from misc.reporting import results, tables
from misc.reporting.ridge import ridge_results
from parse_config import ConfigParser

OLDER, NEWER = "2026-01-01_00-00-00", "2026-01-02_00-00-00"
MODELS = Path("data/saved/models")
TOY = MODELS / "toy-train-ce"
PAGE = "before\n<!-- results: toy -->\nold\n<!-- end of results -->\nafter\n"


def write_run(folder, values, config="configs/toy/train-ce.json", **about):
    """Write a run with one seed per value in `values`: of all metrics, or a dict by task and metric."""
    for seed, value in enumerate(values):
        metrics = {
            f"{task}_metrics": value[task] if isinstance(value, dict) else dict.fromkeys(tables.COLUMNS, value)
            for task in tables.TASKS
        }
        content = {"seed": seed, "split": "test", "leaky": False, "config": "configs/toy/train-ce.json"}
        content["v2t_ties"] = "expected"
        path = folder / f"seed-{seed}" / "metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(metrics | content | about))
        whole = ConfigParser.from_file(config, training=True).as_dict() | {"seed": seed, "test_split": "test"}
        path.with_name("config.json").write_text(json.dumps(whole))


def change(path, **about):
    path.write_text(json.dumps(json.loads(path.read_text()) | about))


@pytest.fixture
def toy(workplace, monkeypatch):
    """Write a page with a table of one experiment and the ridge baseline, and a run of three seeds."""
    rows = {"CE": "toy-train-ce", "other": "toy-train-other"}
    table = tables.ResultsTable("README.md", rows, ridge="configs/toy/train-ce.json")
    monkeypatch.setattr(tables, "TABLES", {"toy": table})
    config = Path("configs/toy/train-ce.json")
    change(config, test_split="test")
    Path("README.md").write_text(PAGE)
    write_run(TOY / NEWER, [30, 34, 41.7])


def test_the_newest_run_fills_the_table_and_nothing_else_changes(toy, run):
    write_run(TOY / OLDER, [98, 99])
    code, out, _ = run(gen_readme, "--tables", "toy")
    text = Path("README.md").read_text()
    assert code == 0 and text.startswith("before\n<!-- results: toy -->\n| Model | Task | R@1 | R@5 | R@10 | R@50 | MdR |")
    assert text.endswith("|\n<!-- end of results -->\nafter\n") and "old" not in text and "99" not in text
    row = next(line for line in text.splitlines() if line.startswith("| CE | v2t"))
    assert row.count("35.2<sub>(5.9)</sub>") == 6  # the sample deviation: that of the population is 4.8
    ridge = ridge_results("configs/toy/train-ce.json", "rgb")["v2t_metrics"]
    assert f"| ridge baseline | v2t | {ridge['R1']:.1f} | {ridge['R5']:.1f} |" in text
    assert f"toy: CE (toy-train-ce): 3 seeds of {TOY / NEWER}" in out and "README.md: written" in out
    assert run(gen_readme, "--tables", "toy")[1].endswith("README.md: unchanged\n")
    assert Path("README.md").read_text() == text


def test_nothing_is_marked_if_the_row_to_compare_with_is_left_out(toy, run, monkeypatch):
    rows = {"other": "toy-train-other", "CE": "toy-train-ce"}
    monkeypatch.setattr(tables, "TABLES", {"toy": tables.ResultsTable("README.md", rows, compared=True)})
    assert run(gen_readme, "--tables", "toy")[0] == 0
    text = Path("README.md").read_text()
    assert "| CE | v2t | 35.2<sub>(5.9)</sub> |" in text and not set(text) & set("\u2191\u2193\u21d1\u21d3")


def test_a_row_without_a_run_is_left_out_and_named(toy, run):
    _, out, _ = run(gen_readme, "--tables", "toy")
    assert "toy: other (toy-train-other): left out, no run with several seeds" in out
    assert "| other |" not in Path("README.md").read_text()
    write_run(MODELS / "toy-train-other" / NEWER, [1, 2])
    Path("configs/toy/train-other.json").write_text(Path("configs/toy/train-ce.json").read_text())
    run(gen_readme, "--tables", "toy")
    assert "| other | t2v | 1.5<sub>(0.7)</sub> |" in Path("README.md").read_text()


def test_passes_over_runs_that_are_not_done_or_have_one_seed(toy, run):
    write_run(TOY / "2026-01-03_00-00-00", [50, 60, 70])
    (TOY / "2026-01-03_00-00-00/seed-2/metrics.json").unlink()
    write_run(TOY / "2026-01-04_00-00-00", [80])
    (TOY / "2026-01-05_00-00-00").mkdir()
    (TOY / "2026-01-05_00-00-00/metrics.json").write_text("{}")  # of a run without --seeds
    _, out, _ = run(gen_readme, "--tables", "toy")
    assert f"{TOY}/2026-01-03_00-00-00: passed over, seed-2 has no metrics.json" in out
    assert "| CE | t2v | 35.2<sub>(5.9)</sub> |" in Path("README.md").read_text()


def test_the_last_of_several_runs_within_a_second_counts(toy):
    for run_name in (f"{NEWER}-2", f"{NEWER}-10", f"{NEWER}-9"):
        write_run(TOY / run_name, [1, 2])
    assert results.find_newest_run(TOY)[0].parent.parent.name == f"{NEWER}-10"


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"leaky": True}, "seed-1/metrics.json: its run used the leaky similarity, which is no result"),
        ({"v2t_ties": "published"}, "seed-1/metrics.json: v2t_ties is 'published', expected 'expected'; delete the run"),
        ({"split": "val"}, "seed-1/metrics.json: split 'val', expected 'test'"),
        ({"config": "x.json"}, "seed-1/metrics.json: config 'x.json', expected 'configs/toy/train-ce.json'"),
        ({"seed": 2}, "seed-1/metrics.json: seed 2 is there twice"),
        ({"t2v_metrics": {"R1": 1}}, "seed-1/metrics.json: t2v_metrics.R5: missing"),
        ({"v2t_metrics": {"R1": "high"}}, "seed-1/metrics.json: v2t_metrics.R1: Input should be a valid number"),
        ({"leaky": None}, "seed-1/metrics.json: leaky: Input should be a valid boolean"),
    ],
)
def test_refuses_seeds_that_are_no_fair_results_of_one_experiment(toy, refused, about, message):
    change(TOY / NEWER / "seed-1" / "metrics.json", **about)
    assert message in refused(gen_readme)
    assert Path("README.md").read_text() == PAGE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train_single_epoch"], "trainer.epochs is 1, expected 3 as in configs/toy/train-ce.json"),
        (["--set", "optimizer.args.lr=0.5"], "optimizer.args.lr is 0.5, expected 0.01"),
        (["--set", "experts.drop_feats=audio"], "experts.drop_feats is audio, expected "),
    ],
)
def test_refuses_a_run_with_another_config(workplace, run, refused, monkeypatch, options, message):
    train(run, "--seeds", "0,1", "--set", "trainer.save_period=2", *options)
    monkeypatch.setattr(tables, "TABLES", {"toy": tables.ResultsTable("README.md", {"CE": "toy-train-ce"})})
    Path("README.md").write_text(PAGE)
    assert f"seed-0/config.json: {message}" in refused(gen_readme, "--tables", "toy")


def test_refuses_a_run_on_some_of_the_published_videos(toy, refused, monkeypatch):
    monkeypatch.setattr(results, "published_size", lambda config, split: 670)
    assert "seed-0/metrics.json: None videos, expected the 670 of split 'test'" in refused(gen_readme, "--tables", "toy")
    for seed in range(3):
        change(TOY / NEWER / f"seed-{seed}" / "metrics.json", videos=669 + (seed == 0))
    assert "seed-1/metrics.json: 669 videos, expected the 670" in refused(gen_readme, "--tables", "toy")


def test_refuses_what_it_cannot_read_or_fill_in(toy, refused, tmp_path):
    assert "--tables: no table 'tay', expected one of toy" in refused(gen_readme, "--tables", "tay")
    assert f"{tmp_path}: no run for any table, expected one by train.py --seeds" in refused(gen_readme, "--models", tmp_path)
    assert f"{tmp_path}: no run for table 'toy'" in refused(gen_readme, "--models", tmp_path, "--tables", "toy")
    assert Path("README.md").read_text() == PAGE
    block = PAGE.removeprefix("before\n").removesuffix("after\n")
    for text, found in (
        ("", 0),
        (2 * block, 2),
        ("<!-- results: toy -->\n<!-- results: x -->\n<!-- end of results -->\n", 0),  # it has no end of its own
        ("<!-- results: toy -->\n", 0),
    ):
        Path("README.md").write_text(text)
        assert f"README.md: {found} blocks '<!-- results: toy -->'" in refused(gen_readme, "--tables", "toy")
        assert Path("README.md").read_text() == text
    Path("README.md").write_bytes(b"\xff")
    assert "README.md: not UTF-8" in refused(gen_readme, "--tables", "toy")
    Path("README.md").unlink()
    assert "README.md: No such file" in refused(gen_readme, "--tables", "toy")
    (TOY / NEWER / "seed-0/metrics.json").write_text("{")
    assert "seed-0/metrics.json: Invalid JSON" in refused(gen_readme, "--tables", "toy")


def test_a_table_without_any_run_stays_while_others_are_filled_in(toy, run, monkeypatch):
    table = tables.ResultsTable("README.md", {"CE": "toy-train-other"})
    monkeypatch.setattr(tables, "TABLES", tables.TABLES | {"empty": table})
    kept = "<!-- results: empty -->\nfrom another machine\n<!-- end of results -->\n"
    Path("README.md").write_text(PAGE + kept)
    for path in (ROOT / "misc/datasets").glob("*/README.md"):
        page = path.relative_to(ROOT)
        page.parent.mkdir(parents=True)
        shutil.copy(path, page)
    code, out, _ = run(gen_readme)
    assert code == 0 and "empty: left as it is, no run with several seeds" in out
    text = Path("README.md").read_text()
    assert text.endswith(f"after\n{kept}") and "| CE | t2v | 35.2" in text


def test_runs_of_train_give_the_mean_and_deviation_of_their_summary(workplace, run, monkeypatch):
    config = Path("configs/toy/train-ce.json")
    change(config, trainer=json.loads(config.read_text())["trainer"] | {"epochs": 1})
    folder, _ = train(run, "--seeds", "0,1", "--disable_workers")
    monkeypatch.setattr(tables, "TABLES", {"toy": tables.ResultsTable("README.md", {"CE": "toy-train-ce"})})
    Path("README.md").write_text(PAGE)
    assert run(gen_readme, "--tables", "toy")[0] == 0
    summary = json.loads((folder / "summary.json").read_text())
    for row in tables_of(Path("README.md").read_text())["toy"]:
        mean, std = (summary[kind][f"{row['Task']}_metrics"] for kind in ("mean", "std"))
        for metric, column in tables.COLUMNS.items():
            assert figure(row[column]) == [float(f"{mean[metric]:.1f}"), float(f"{std[metric]:.1f}")]


def test_the_pages_are_what_runs_of_their_own_figures_give(workplace, run, monkeypatch):
    """Three seeds at mean - std, mean and mean + std have that mean and that standard deviation."""
    pages = {table: Path(tables.TABLES[table].page) for table in ("stamps2", "stamps2-main")}
    texts = {path: (ROOT / path).read_text() for path in pages.values()}
    rows_of = {table: tables_of(texts[page])[table] for table, page in pages.items()}
    names = {column: metric for metric, column in tables.COLUMNS.items()}
    ridge = {f"{row['Task']}_metrics": row for row in rows_of["stamps2"] if row["Model"] == "ridge baseline"}
    monkeypatch.setattr(
        results,
        "ridge_results",
        lambda config, expert: {task: {names[c]: float(row[c]) for c in names} for task, row in ridge.items()},
    )
    shutil.copytree(ROOT / "configs/stamps2", "configs/stamps2")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"(?<=results: stamps2)(|-main)( -->\n).*?(?=<!-- end)", r"\1\2", text, flags=re.DOTALL))
        assert path.read_text() != text
    experiments = {}
    for table, rows in rows_of.items():
        for label, experiment in tables.TABLES[table].rows.items():
            experiments[experiment] = {row["Task"]: row for row in rows if row["Model"] == label}
    for experiment, of_label in experiments.items():
        seeds = []
        for sign in (-1, 0, 1):
            pairs = {task: {names[column]: figure(row[column]) for column in names} for task, row in of_label.items()}
            seeds.append({t: {name: mean + sign * std for name, (mean, std) in x.items()} for t, x in pairs.items()})
        write_run(MODELS / experiment / OLDER, seeds, config=tables.config_path(experiment))
    assert run(gen_readme, "--tables", "stamps2,stamps2-main")[0] == 0
    assert {path: path.read_text() for path in texts} == texts
