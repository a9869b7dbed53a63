"""Cross-validation: the trainings of each setting of a config on folds of its videos, and the table of their metrics."""

import dataclasses
import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from base.runs import list_runs, read_final_metrics, read_run_config
from misc.reporting.folds import assign_folds, digest, fold_overrides, read_groups, read_pool, write_fold
from misc.reporting.ridge import ridge_results
from misc.reporting.settings import REFERENCE, Setting
from misc.reporting.tables import TASKS
from parse_config import ConfigParser
from trainer.build import build_loss, build_lr_scheduler, build_model, build_optimizer
from utils.errors import InputError
from utils.jobs import Job

GMEAN = "geometric_mean_R1-R5-R10"
COLUMNS = {"R1": "R@1", "R5": "R@5", "R10": "R@10", GMEAN: "gmean"}
DIFFERENCES = ("R1", GMEAN)  # metrics whose difference to the reference has a column
RIDGE, WITH_BANK = "ridge", " + query bank"  # a row, and the end of the name of a row
BOTH = "both"  # the mean of both directions

# Task -> metric -> value.
Values = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Training:
    """A training on all folds but one, the config that train.py saves with it, and its run (None: not complete)."""

    job: Job
    config: dict[str, Any]
    run: Path | None


class CrossValidation:
    """The folds of a config and the trainings on them.

    Args:
        path: the config.
        count: number of folds.
        groups: file with groups of videos, see `read_groups` (None: no groups).
        seeds: the seeds of each setting.
        querybank: whether to evaluate with a query bank too.
        options: further arguments of train.py.

    Attributes:
        folds: the videos of each fold.
        root: the folder of the data folders of the folds, and of all runs.
    """

    def __init__(
        self,
        path: Path,
        count: int,
        groups: Path | None = None,
        seeds: Sequence[int] = (0,),
        querybank: bool = False,
        options: Sequence[str] = (),
    ):
        self.path, self.seeds, self.querybank, self.options = path, seeds, querybank, options
        self.config = ConfigParser.from_file(path, training=True)
        if missing := [name for name in (f"{task}_metrics" for task in TASKS) if name not in self.config["metrics"]]:
            raise InputError(f"{path}: metrics: no {missing[0]}, expected both directions")
        videos = read_pool(self.config)
        self.folds = assign_folds(videos, count, read_groups(groups, videos) if groups else {})
        parent = Path(self.config["trainer"]["save_dir"], "folds", self.config["name"])
        self.root = parent / f"{count}-{digest(self.folds)}"

    def write_folds(self) -> None:
        """Make the data folder of each fold."""
        for k, val in enumerate(self.folds):
            train = [video for fold in self.folds if fold is not val for video in fold]
            write_fold(self.config, self.root / str(k), train, val)

    def trainings(self, setting: Setting) -> list[list[Training]]:
        """Return the trainings of a setting, those of each fold with one seed after the other."""
        runs = _complete_runs(self.root / "models" / self.config["name"])
        return [[self._training(setting, fold, seed, runs) for seed in self.seeds] for fold in range(len(self.folds))]

    def check(self, setting: Setting) -> None:
        """Raise an InputError if a training of a setting cannot start, so that not all of its trainings fail one by one."""
        if setting != REFERENCE and (setting.name in (REFERENCE.name, RIDGE) or setting.name.endswith(WITH_BANK)):
            raise InputError(
                f"--compare '{setting.name}: ...': the name of a row that the table has anyway, expected another"
            )
        config = self._config(self._overrides(setting, 0, self.seeds[0]))
        if self.querybank and "querybank" not in config:
            raise InputError(f"{setting.name}: no querybank, expected one with --querybank")
        if config.get("querybank", {}).get("choose_beta"):
            reason = "the fold that it would be chosen on is evaluated, expected a number in querybank.beta"
            raise InputError(f"{setting.name}: querybank.choose_beta: {reason}")
        model = build_model(config)
        build_lr_scheduler(config, build_optimizer(config, model.parameters(), build_loss(config).parameters()))

    def _config(self, overrides: Sequence[str]) -> ConfigParser:
        return ConfigParser.from_file(self.path, overrides, training=True)

    def _overrides(self, setting: Setting, fold: int, seed: int) -> list[str]:
        """Return the overrides of a training: a query bank, those of the setting, which may change it, and of the fold."""
        own = fold_overrides(self.config, self.root, fold) | {"seed": str(seed)}
        bank = ["querybank={}"] if self.querybank and "querybank" not in self.config else []
        if self.config.get("querybank", {}).get("choose_beta"):  # on the fold, which is evaluated
            bank = ["querybank.choose_beta=false"]
        for override in setting.overrides:
            if (key := override.partition("=")[0]) in own:
                raise InputError(f"{setting.name}: {override}: cross-validation sets {key}, expected other keys")
        return [*bank, *setting.overrides, *(f"{key}={value}" for key, value in own.items())]

    def _training(self, setting: Setting, fold: int, seed: int, runs: Mapping[str, Path]) -> Training:
        overrides = self._overrides(setting, fold, seed)
        config = self._config(overrides).as_dict()
        values = [part for override in overrides for part in ("--set", override)]
        arguments = ("train.py", "--config", str(self.path), *values, "--resume", "auto", *self.options)
        key = _key(config)
        output = self.root / "out" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.out"
        job = Job(f"{setting.name}, fold {fold}, seed {seed}", arguments, output)
        return Training(job, config, runs.get(key))

    def read_results(self, setting: Setting) -> dict[str, list[Values]]:
        """Return the values of a setting for each fold, and those with the query bank, by name in the table.

        There are none as long as a training is not complete.
        """
        runs = [[training.run for training in fold] for fold in self.trainings(setting)]
        if not all(run for fold in runs for run in fold):
            return {}
        banks = {setting.name: False} | ({f"{setting.name}{WITH_BANK}": True} if self.querybank else {})
        return {name: [_mean([_read_values(run, bank) for run in fold]) for fold in runs] for name, bank in banks.items()}

    def ridge(self) -> list[Values]:
        """Return the values of the ridge baseline for each fold, with the best strength on that fold."""
        split, values = self.config["data_loader"]["args"]["split_name"], []
        for fold in range(len(self.folds)):
            overrides = [f"{key}={value}" for key, value in fold_overrides(self.config, self.root, fold).items()]
            values.append(_as_values(ridge_results(str(self.path), "rgb", overrides, (split, split))))
        return values


def _key(config: Mapping[str, Any]) -> str:
    """Return the content of a config as text."""
    return json.dumps(config, sort_keys=True)


def _complete_runs(models: Path) -> dict[str, Path]:
    """Return the newest complete run of each config below a folder of models, by `_key` of the config."""
    runs: dict[str, Path] = {}
    for run in list_runs(models):
        if (config := read_run_config(run)) is not None and read_final_metrics(run) is not None:
            runs.setdefault(_key(config), run)
    return runs


def _read_values(run: Path, querybank: bool) -> Values:
    """Return the metrics of the best epoch of a run on its fold."""
    return _as_values(read_final_metrics(run) or {}, "_querybank_metrics" if querybank else "_metrics")


def _as_values(metrics: Mapping[str, Any], suffix: str = "_metrics") -> Values:
    """Return the metrics of the table from those of `metrics.json`, with their means over both directions."""
    values = {task: {name: metrics[f"{task}{suffix}"][name] for name in COLUMNS} for task in TASKS}
    return values | {BOTH: {name: statistics.fmean(values[task][name] for task in TASKS) for name in COLUMNS}}


def _mean(seeds: Sequence[Values]) -> Values:
    """Return the mean of the values of several seeds."""
    return {task: {name: statistics.fmean(x[task][name] for x in seeds) for name in COLUMNS} for task in seeds[0]}


def summarize(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the values of all folds and its standard error."""
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


def make_rows(results: Mapping[str, Sequence[Values]]) -> list[list[str]]:
    """Return the rows of the table of results by name, its heading first; differences are those to the first, by fold."""
    rows = [["Setting", "Task", *COLUMNS.values(), *(f"diff. {COLUMNS[name]}" for name in DIFFERENCES)]]
    first = next(iter(results))
    for setting, folds in results.items():
        for task in (*TASKS, BOTH):
            cells = ["{:.1f} ({:.1f})".format(*summarize([x[task][name] for x in folds])) for name in COLUMNS]
            for name in DIFFERENCES:
                pairs = zip(folds, results[first], strict=True)
                mean, error = summarize([x[task][name] - y[task][name] for x, y in pairs])
                cells.append("" if setting == first else f"{mean:+.1f} ({error:.1f})")
            rows.append([setting if task == TASKS[0] else "", task, *cells])
    return rows


def format_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(x.ljust(width) for x, width in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])
