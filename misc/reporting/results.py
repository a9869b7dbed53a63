"""Tables of our own results, made from the `metrics.json` of every seed of a run."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import pydantic

from base.checkpoint import BEST
from base.experiment import CONFIG, METRICS, Run
from base.runs import list_runs, read_final_metrics, read_run_config, seed_folders
from data_loader.datasets import layout_of, release_of
from misc.reporting import tables
from misc.reporting.comparison import compare_metric
from misc.reporting.markdown_blocks import Cell, format_cell, render
from misc.reporting.ridge import ridge_results
from misc.reporting.run_groups import IGNORED_KEYS, read_groups
from misc.reporting.significance import holm
from misc.reporting.tables import BANK, COLUMNS, LEVEL, TASKS, ResultsTable
from model.variants import SIMILARITIES
from parse_config import ConfigParser, leaves
from utils.errors import InputError

CellsByTask = dict[str, list[Cell]]


class Metrics(pydantic.BaseModel):
    """The part of a `metrics.json` that a table needs."""

    model_config = pydantic.ConfigDict(strict=True)
    t2v_metrics: dict[str, pydantic.FiniteFloat]
    v2t_metrics: dict[str, pydantic.FiniteFloat]
    t2v_querybank_metrics: dict[str, pydantic.FiniteFloat] = {}
    v2t_querybank_metrics: dict[str, pydantic.FiniteFloat] = {}
    seed: int
    split: str
    leaky: bool
    v2t_ties: str = "published"  # missing in runs before December 2026
    config: str
    videos: int | None = None  # number of evaluated videos; missing in runs before November 2026
    parameters: int | None = None  # number of parameters of the model; missing in runs before November 2026

    @classmethod
    def read(cls, path: Path) -> "Metrics":
        """Read a file; raise an InputError if it is invalid or lacks a column of the tables."""
        try:
            metrics = cls.model_validate_json(path.read_bytes())
        except pydantic.ValidationError as error:
            raise InputError(f"{path}: {first_problem(error)}, expected metrics written by train.py") from None
        for key in ("t2v_metrics", "v2t_metrics"):
            if missing := [name for name in COLUMNS if name not in getattr(metrics, key)]:
                raise InputError(f"{path}: {key}.{missing[0]}: missing, expected metrics written by train.py")
        return metrics

    def value(self, task: str, column: str) -> float | None:
        """Return the value of a column of a table, None if the run has none."""
        name = column.removeprefix(BANK)
        return getattr(self, f"{task}_metrics" if name == column else f"{task}_querybank_metrics").get(name)


def first_problem(error: pydantic.ValidationError) -> str:
    """Return the location and the message of the first of pydantic's errors."""
    problem = error.errors()[0]
    return ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))


def find_newest_run(experiment: Path) -> list[Path]:
    """Return the `metrics.json` of each seed of the newest complete run with several seeds, [] if there is no such run."""
    for run in list_runs(experiment):
        paths = [folder / METRICS for folder in seed_folders(run).values()]
        missing = [path for path in paths if not path.exists()]
        if len(paths) > 1 and not missing:
            return paths
        if len(paths) > 1:
            print(f"{run}: passed over, {missing[0].parent.name} has no {METRICS}")
    return []


def find_evaluation(checkpoint: Path, similarity: str) -> Path | None:
    """Find the newest `metrics.json` that test.py wrote for a checkpoint of a run on its test split with `similarity`.

    The file has to be newer than the checkpoint, and its config that of the run, except for the similarity.
    """
    run = Run.of_checkpoint(checkpoint)
    config = read_run_config(checkpoint.parent)
    if run is None or config is None:
        return None
    config["arch"]["args"]["similarity"] = similarity
    if similarity == "paired-2019":  # which test.py evaluates without a bank
        config.pop("querybank", None)
    paths = (run.save_dir / "log" / run.experiment).glob(f"*/{METRICS}")
    times = {path: path.stat().st_mtime for path in paths if read_run_config(path.parent) == config}
    for path in sorted(times, key=times.get, reverse=True):
        metrics = read_final_metrics(path.parent)
        is_same = Path(metrics["checkpoint"]).resolve() == checkpoint.resolve() and metrics["split"] == config["test_split"]
        if is_same and times[path] >= checkpoint.stat().st_mtime:
            return path
    return None


def check_run_config(path: Path, expected: ConfigParser) -> None:
    """Raise an InputError for the first key in which the config of a run differs from that of its experiment, if any."""
    found, wanted = leaves(ConfigParser.from_file(path).as_dict()), leaves(expected.as_dict())
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key) and not IGNORED_KEYS.fullmatch(key):
            raise InputError(f"{path}: {key} is {found.get(key)}, expected {wanted.get(key)} as in {expected.source}")


def published_size(config: ConfigParser, split: str) -> int | None:
    """Return the published number of evaluated videos of a split (None: unknown)."""
    args = config["data_loader"]["args"]
    layout = layout_of(args["dataset_name"], release_of(args.get("root_feat_folder")))
    return layout.subsets[layout.splits[split].evaluation].size


def compute_cells(paths: Sequence[Path], table: ResultsTable, split: str, size: int | None) -> CellsByTask:
    """Return the cells of a row by task: mean and sample standard deviation over seeds per column, and parameters.

    `paths` are the `metrics.json` of the seeds, which have to be fair results on the `size` videos of `split`.
    """
    seeds = [Metrics.read(path) for path in paths]
    for path, metrics in zip(paths, seeds, strict=True):
        if metrics.leaky and not table.leak:
            raise InputError(f"{path}: its run used the leaky similarity, which is no result")
        if metrics.v2t_ties != "expected":
            raise InputError(
                f"{path}: v2t_ties is '{metrics.v2t_ties}', expected 'expected'; "
                f"delete the run {path.parent} and train it again"
            )
        if metrics.split != split:
            raise InputError(f"{path}: split '{metrics.split}', expected '{split}'")
        if size is not None and metrics.videos != size:
            raise InputError(f"{path}: {metrics.videos} videos, expected the {size} of split '{split}'")
        if metrics.config != seeds[0].config:
            raise InputError(f"{path}: config '{metrics.config}', expected '{seeds[0].config}' as in {paths[0]}")
        if [other.seed for other in seeds].count(metrics.seed) > 1:
            raise InputError(f"{path}: seed {metrics.seed} is there twice, expected different seeds")
    cells: CellsByTask = {}
    for task in TASKS:
        columns = [[metrics.value(task, name) for metrics in seeds] for name in table.columns]
        cells[task] = [None if None in x else (statistics.fmean(x), statistics.stdev(x)) for x in columns]
        if table.params:
            cells[task].append(format_parameters(seeds[0].parameters))
    return cells


def format_parameters(count: int | None) -> str | None:
    """Return a number of parameters as in the published tables, such as "14.50M" or "318.16k"."""
    if count is None or count < 1000:
        return None if count is None else str(count)
    return f"{count / 1e6:.2f}M" if count >= 1e6 else f"{count / 1e3:.2f}k"


def make_rows(name: str, label: str, paths: Sequence[Path]) -> list[tuple[str, CellsByTask]]:
    """Return the rows of a run, whose `metrics.json` are `paths`: one, or in the study of the leak one per similarity."""
    table = tables.TABLES[name]
    config = ConfigParser.from_file(tables.config_path(table.rows[label]), training=True)
    for path in paths:
        check_run_config(path.with_name(CONFIG), config)
    split = config.test_split()
    size = published_size(config, split)
    if not table.leak:
        return [(label, compute_cells(paths, table, split, size))]
    rows = []
    for similarity in SIMILARITIES:
        evaluations = [find_evaluation(path.with_name(BEST), similarity) for path in paths]
        if None in evaluations:
            unscored = paths[evaluations.index(None)].parent
            print(f"{name}: {label} scored {similarity}: left out, {unscored} is not scored yet")
        else:
            mark = " (leaky)" if Metrics.read(evaluations[0]).leaky else ""
            rows.append((f"{label} | {similarity}{mark}", compute_cells(evaluations, table, split, size)))
    return rows


def mark_differences(rows: Sequence[tuple[str, CellsByTask]], table: ResultsTable, runs: Sequence[Path]) -> None:
    """Mark the cells of rows that differ from the first row without a query bank, by the test of configs of `compare.py`.

    An arrow shows the direction of a difference with p <= 0.05, a double arrow one that remains so after the correction
    (Holm) for all tests of the table.
    """
    groups = read_groups([str(run) for run in runs], querybank=True)
    by_bank = {bank: groups[bool(bank) :: 2] for bank in ("", BANK)}
    tests = []  # cells of a row, position in them, test
    for row, (_, cells) in enumerate(rows):
        for task in TASKS:
            for i, column in enumerate(table.columns):
                bank = BANK if column.startswith(BANK) else ""
                if row or bank:
                    test = compare_metric(groups[0], by_bank[bank][row], task, column.removeprefix(BANK))
                    tests.append((cells[task], i, test))
    corrected = holm([test["p_configs"] for _, _, test in tests])
    for (cells, i, test), p_holm in zip(tests, corrected, strict=True):
        if test["p_configs"] <= LEVEL:
            arrows = "\u2191\u21d1" if test["difference"] > 0 else "\u2193\u21d3"
            cells[i] = f"{format_cell(cells[i])}\u00a0{arrows[p_holm <= LEVEL]}"


def render_results(name: str, models: Path) -> str | None:
    """Return the table `name` in Markdown from the runs below `models`, None without runs; print which runs are used."""
    table = tables.TABLES[name]
    runs = {label: find_newest_run(models / experiment) for label, experiment in table.rows.items()}
    if not any(runs.values()):
        return None
    rows = []
    for label, paths in runs.items():
        source = f"{len(paths)} seeds of {paths[0].parent.parent}" if paths else "left out, no run with several seeds"
        print(f"{name}: {label} ({table.rows[label]}): {source}")
        if paths:
            rows += make_rows(name, label, paths)
    if table.compared and next(iter(runs.values())):  # nothing to compare with if the first row is left out
        mark_differences(rows, table, [paths[0].parent.parent for paths in runs.values() if paths])
    if table.ridge:
        ridge = ridge_results(table.ridge, "rgb")
        values = {task: [ridge[f"{task}_metrics"].get(column) for column in table.columns] for task in TASKS}
        cells = {task: [None if x is None else (x, None) for x in row] for task, row in values.items()}
        rows.insert(0, ("ridge baseline", cells))
    headings = [*table.columns.values(), *(["Params"] if table.params else [])]
    return render("results", heading=table.heading, columns=headings, tasks=TASKS, rows=rows) if rows else None
