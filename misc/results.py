"""Tables of our own results, made from the `metrics.json` of every seed of a run."""

import dataclasses
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pydantic

from base.experiment import METRICS
from base.runs import newest_first
from data_loader.datasets import layout_of
from misc.pages import render
from misc.ridge_baseline import ridge_results
from parse_config import ConfigParser, leaves
from utils.errors import InputError

COLUMNS = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "R50": "R@50", "MedR": "MdR", "MeanR": "MnR"}
TASKS = ("t2v", "v2t")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of results.

    Attributes:
        page: the file it stands in, in the block "results: <name>".
        rows: label -> experiment; those without a run are left out.
        ridge: config whose data the ridge baseline from text to rgb uses (None: without that row).
    """

    page: str
    rows: Mapping[str, str]
    ridge: str | None = None


TABLES = {
    "stamps": Table(
        "README.md",
        {
            "CE": "stamps-train-full-ce",
            "CE - CG": "stamps-train-full-ce-ablation-dims",
            "CE - P,CG (MoEE)": "stamps-train-full-moee",
            "CE - MW,P,CG": "stamps-train-full-moee-minus-moe-weights",
            "rgb alone": "stamps-train-full-ce-only-rgb",
            "rgb + scene": "stamps-train-full-ce-only-rgb-scene",
            "rgb + audio": "stamps-train-full-ce-only-rgb-audio",
            "rgb + speech": "stamps-train-full-ce-only-rgb-speech",
        },
        ridge="configs/stamps/train-full-ce.json",
    ),
    "msrvtt": Table(
        "misc/datasets/msrvtt/README.md",
        {
            "CE, Full": "msrvtt-train-full-ce",
            "CE, 1k-A": "msrvtt-train-jsfusion-ce",
            "CE, 1k-B": "msrvtt-train-miech-ce",
            "MoEE*, 1k-B": "msrvtt-train-miech-miechfeats-moee",
        },
    ),
    "msrvtt-ablations": Table(
        "misc/datasets/msrvtt/README.md",
        {
            "Concat": "msrvtt-train-full-concat-ablation",
            "Concat + G": "msrvtt-train-full-concat-mix-ablation",
            "CE - MW,P,CG": "msrvtt-train-full-moee-minus-moe-weights",
            "CE - P,CG (MoEE)": "msrvtt-train-full-moee",
            "CE - CG": "msrvtt-train-full-ce-ablation-dims",
            "RGB": "msrvtt-train-full-ce-only-rgb",
            "RGB + Scene": "msrvtt-train-full-ce-only-rgb-scene",
            "RGB + Flow": "msrvtt-train-full-ce-only-rgb-flow",
            "RGB + Audio": "msrvtt-train-full-ce-only-rgb-audio",
            "RGB + OCR": "msrvtt-train-full-ce-only-rgb-ocr",
            "RGB + Speech": "msrvtt-train-full-ce-only-rgb-speech",
            "RGB + Face": "msrvtt-train-full-ce-only-rgb-face",
            "RGB + Scene + Flow": "msrvtt-train-full-ce-only-rgb-scene-flow",
            "RGB + Scene + Flow + Audio": "msrvtt-train-full-ce-only-rgb-scene-flow-audio",
            "RGB + Scene + Flow + Audio + OCR": "msrvtt-train-full-ce-only-rgb-scene-flow-audio-ocr",
            "all but Face": "msrvtt-train-full-ce-only-rgb-scene-flow-audio-ocr-speech",
            "RGB, 1 training caption": "msrvtt-train-full-ce-ablation-restrict-captions-only-rgb",
            "CE, 1 training caption": "msrvtt-train-full-ce-ablation-restrict-captions",
        },
    ),
    "msvd": Table("misc/datasets/msvd/README.md", {"CE": "msvd-train-full-ce"}),
    "didemo": Table("misc/datasets/didemo/README.md", {"CE": "didemo-train-full-ce"}),
    "activity-net": Table("misc/datasets/activity-net/README.md", {"CE": "activity-net-train-full-ce"}),
    "lsmdc": Table("misc/datasets/lsmdc/README.md", {"CE": "lsmdc-train-full-ce"}),
}


def config_of(experiment: str) -> Path:
    """The config of an experiment `<dataset>-train-<name>`."""
    dataset, _, name = experiment.partition("-train-")
    return Path("configs", dataset, f"train-{name}.json")


class Metrics(pydantic.BaseModel):
    """What a table needs of a `metrics.json`."""

    model_config = pydantic.ConfigDict(strict=True)
    t2v_metrics: dict[str, pydantic.FiniteFloat]
    v2t_metrics: dict[str, pydantic.FiniteFloat]
    seed: int
    split: str
    leaky: bool
    config: str
    videos: int | None = None  # evaluated; runs before November 2026 do not say

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
        paths = [seed / METRICS for seed in sorted(run.glob("seed-*"))]
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
    return layout.parts[layout.splits[split].evaluation].size


def mean_and_std(paths: Sequence[Path], split: str, size: int | None) -> dict[str, list[tuple[float, float]]]:
    """Mean and sample standard deviation over seeds: task -> a pair for each of `COLUMNS`.

    Args:
        size: how many videos have to have been evaluated (None: any number).

    Raises:
        InputError: the files do not belong together, or are no fair results of `split`.
    """
    seeds = [Metrics.read(path) for path in paths]
    for path, metrics in zip(paths, seeds, strict=True):
        if metrics.leaky:
            raise InputError(f"{path}: its run used the leaky similarity, which is no result")
        if metrics.split != split:
            raise InputError(f"{path}: split '{metrics.split}', expected '{split}'")
        if size is not None and metrics.videos != size:
            raise InputError(f"{path}: {metrics.videos} videos, expected the {size} of split '{split}'")
        if metrics.config != seeds[0].config:
            raise InputError(f"{path}: config '{metrics.config}', expected '{seeds[0].config}' as in {paths[0]}")
        if [other.seed for other in seeds].count(metrics.seed) > 1:
            raise InputError(f"{path}: seed {metrics.seed} is there twice, expected different seeds")
    values = {task: [[metrics.of(task)[name] for metrics in seeds] for name in COLUMNS] for task in TASKS}
    return {task: [(statistics.fmean(x), statistics.stdev(x)) for x in columns] for task, columns in values.items()}


def results_table(name: str, models: Path) -> str | None:
    """The table `name` as Markdown, from the runs below `models`; None if none of its experiments has one.

    What is used, and what is missing, is printed.
    """
    table = TABLES[name]
    runs = {label: newest_run(models / experiment) for label, experiment in table.rows.items()}
    if not any(runs.values()):
        return None
    rows = []
    for label, paths in runs.items():
        found = f"{len(paths)} seeds of {paths[0].parent.parent}" if paths else "left out, no run with several seeds"
        print(f"{name}: {label} ({table.rows[label]}): {found}")
        if paths:
            config = ConfigParser.from_file(config_of(table.rows[label]), training=True)
            for path in paths:
                refuse_other_config(path.with_name("config.json"), config)
            split = config.test_split()
            rows.append((label, mean_and_std(paths, split, published_size(config, split))))
    if table.ridge:
        ridge = ridge_results(table.ridge, "rgb")
        figures = {task: [(ridge[f"{task}_metrics"][metric], None) for metric in COLUMNS] for task in TASKS}
        rows.insert(0, ("ridge baseline", figures))
    return render("results", columns=list(COLUMNS.values()), tasks=TASKS, rows=rows)
