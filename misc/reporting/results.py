"""Tables of our own results, made from the `metrics.json` of every seed of a run."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import pydantic

from base.checkpoint import BEST
from base.experiment import CONFIG, METRICS
from base.runs import newest_first, seeds_of
from data_loader.datasets import layout_of
from misc.reporting import tables
from misc.reporting.evaluations import evaluation_of
from misc.reporting.markdown_blocks import render
from misc.reporting.tables import COLUMNS, TASKS, Table
from misc.ridge_baseline import ridge_results
from model.similarity import SIMILARITIES
from parse_config import ConfigParser, leaves
from utils.errors import InputError


class Metrics(pydantic.BaseModel):
    """What a table needs of a `metrics.json`."""

    model_config = pydantic.ConfigDict(strict=True)
    t2v_metrics: dict[str, pydantic.FiniteFloat]
    v2t_metrics: dict[str, pydantic.FiniteFloat]
    seed: int
    split: str
    leaky: bool
    v2t_ties: str = "published"  # runs before December 2026 do not say
    config: str
    videos: int | None = None  # evaluated; runs before November 2026 do not say
    parameters: int | None = None  # of the model; nor do they say this

    @classmethod
    def read(cls, path: Path) -> "Metrics":
        """The content of a file.

        Raises:
            InputError: it is not in the format, or lacks a column of the tables.
        """
        try:
            metrics = cls.model_validate_json(path.read_bytes())
        except pydantic.ValidationError as error:
            raise InputError(f"{path}: {first_problem(error)}, expected metrics written by train.py") from None
        for task in TASKS:
            if missing := [name for name in COLUMNS if name not in metrics.of(task)]:
                raise InputError(f"{path}: {task}_metrics.{missing[0]}: missing, expected metrics written by train.py")
        return metrics

    def of(self, task: str) -> dict[str, float]:
        """The values of a task, by name."""
        return getattr(self, f"{task}_metrics")


def first_problem(error: pydantic.ValidationError) -> str:
    """The first of pydantic's errors, and where it is."""
    problem = error.errors()[0]
    return ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))


def newest_run(experiment: Path) -> list[Path]:
    """The `metrics.json` of each seed of the latest run in a folder with several seeds, all done; [] if there is none."""
    for run in newest_first(experiment):
        paths = [part / METRICS for part in seeds_of(run).values()]
        undone = [path for path in paths if not path.exists()]
        if len(paths) > 1 and not undone:
            return paths
        if len(paths) > 1:
            print(f"{run}: passed over, {undone[0].parent.name} has no {METRICS}")
    return []


# What a run may have otherwise than its config and still be a row of its table.
FREE = re.compile(
    r"seed|name|test_split|n_gpu|log_name|disable_gpu|visualizer.*|tester.*"
    r"|trainer\.(save_dir|save_period|verbosity|tensorboard)|data_loader\.args\.(data_dir|cache_dir|num_workers)"
)


def refuse_other_config(run_config: Path, expected: ConfigParser) -> None:
    """Refuse a run whose config is not that of its experiment: overridden, or of an epoch or a few videos alone.

    Raises:
        InputError: naming the first key that differs.
    """
    found = leaves(ConfigParser.from_file(run_config).as_dict())
    wanted = leaves(expected.as_dict())
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key) and not FREE.fullmatch(key):
            raise InputError(f"{run_config}: {key} is {found.get(key)}, expected {wanted.get(key)} as in {expected.source}")


def published_size(config: ConfigParser, split: str) -> int | None:
    """How many videos a split has to evaluate, if that is published."""
    layout = layout_of(config["data_loader"]["args"]["dataset_name"])
    return layout.subsets[layout.splits[split].evaluation].size


def figures_of(
    paths: Sequence[Path], table: Table, split: str, size: int | None
) -> dict[str, list[tuple[float, float] | str | None]]:
    """The cells of a row by task: mean and sample standard deviation over seeds for each column, and parameters.

    Args:
        paths: a `metrics.json` for each seed.
        size: how many videos have to have been evaluated (None: any number).

    Raises:
        InputError: the files do not belong together, or are no fair results of `split` (but for the study of the leak).
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
    values = {task: [[metrics.of(task)[name] for metrics in seeds] for name in table.columns] for task in TASKS}
    last = [count_text(seeds[0].parameters)] if table.params else []
    return {task: [(statistics.fmean(x), statistics.stdev(x)) for x in columns] + last for task, columns in values.items()}


def count_text(number: int | None) -> str | None:
    """A number of parameters as the published tables print it, such as "14.50M" or "318.16k"."""
    if number is None or number < 1000:
        return None if number is None else str(number)
    return f"{number / 1e6:.2f}M" if number >= 1e6 else f"{number / 1e3:.2f}k"


def rows_of(name: str, label: str, paths: Sequence[Path]) -> list[tuple[str, dict]]:
    """The rows that a run gives table `name`: its own, or in the study of the leak one for each similarity.

    Args:
        paths: the `metrics.json` of each seed of the run.

    Raises:
        InputError: the run is of another config, or `figures_of` refuses it.
    """
    table = tables.TABLES[name]
    config = ConfigParser.from_file(tables.config_of(table.rows[label]), training=True)
    for path in paths:
        refuse_other_config(path.with_name(CONFIG), config)
    split = config.test_split()
    size = published_size(config, split)
    if not table.leak:
        return [(label, figures_of(paths, table, split, size))]
    rows = []
    for similarity in SIMILARITIES:
        scored = [evaluation_of(path.with_name(BEST), similarity) for path in paths]
        if None in scored:
            print(f"{name}: {label} scored {similarity}: left out, {paths[scored.index(None)].parent} is not scored yet")
        else:
            mark = " (leaky)" if Metrics.read(scored[0]).leaky else ""
            rows.append((f"{label} | {similarity}{mark}", figures_of(scored, table, split, size)))
    return rows


def results_table(name: str, models: Path) -> str | None:
    """The table `name` as Markdown, from the runs below `models`; None if none of its experiments has one.

    What is used, and what is missing, is printed.
    """
    table = tables.TABLES[name]
    runs = {label: newest_run(models / experiment) for label, experiment in table.rows.items()}
    if not any(runs.values()):
        return None
    rows = []
    for label, paths in runs.items():
        found = f"{len(paths)} seeds of {paths[0].parent.parent}" if paths else "left out, no run with several seeds"
        print(f"{name}: {label} ({table.rows[label]}): {found}")
        if paths:
            rows += rows_of(name, label, paths)
    if table.ridge:
        ridge = ridge_results(table.ridge, "rgb")
        figures = {task: [(ridge[f"{task}_metrics"][metric], None) for metric in table.columns] for task in TASKS}
        rows.insert(0, ("ridge baseline", figures))
    headings = [*table.columns.values(), *(["Params"] if table.params else [])]
    return render("results", heading=table.heading, columns=headings, tasks=TASKS, rows=rows) if rows else None
