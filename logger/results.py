"""The results of evaluations as lines, tables and `summary.json`."""

import logging
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from base.experiment import SUMMARY
from utils.errors import count_text
from utils.files import write_json

# With fewer videos, a single one changes R@1 by more than 2.
MIN_VIDEOS = 50
# Names of the metrics for display, by their keys in `metrics.json`.
METRIC_LABELS = {
    "R1": "R@1",
    "R5": "R@5",
    "R10": "R@10",
    "R50": "R@50",
    "MedR": "MdR",
    "MeanR": "MnR",
    "geometric_mean_R1-R5-R10": "gmean(R@1,R@5,R@10)",
    "recall10": "recall@10",
    "nDCG10": "nDCG@10",
}
# The values of every epoch.
EPOCH_VALUES = ("epoch", "loss", "lr", "steps_per_second")
# Metrics in the line of an epoch, and their formats.
EPOCH_METRICS = {"R1": ".1f", "R5": ".1f", "R10": ".1f", "MedR": "g"}

logger = logging.getLogger(__name__)


def label_leaky(split: str, leaky: bool) -> str:
    """Return the name of a split for display, marked if the similarity is the leaky one."""
    return f"{split} (LEAKY similarity paired-2019)" if leaky else split


def epoch_line(split: str, epochs: int, values: Mapping[str, float], metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Return one line about an epoch of `epochs`.

    Args:
        split: name of the split that was evaluated.
        values: "epoch", "loss", "lr" and "steps_per_second" -> value; the names of validation metrics begin with "val_", any
            other value is one that the loss logs.
        metrics: name of a metric function ("t2v_metrics", ...) -> values by name.
    """
    speed = values["steps_per_second"]
    of_loss = [name for name in values if name not in EPOCH_VALUES and not name.startswith("val_")]
    line = (
        f"epoch {values['epoch']}/{epochs}: loss {values['loss']:.4f}, "
        + "".join(f"{name} {values[name]:.4g}, " for name in of_loss)
        + f"lr {values['lr']:.2e}, "
        f"{speed:.{1 if speed >= 1 else 3}f} steps/s"
    )
    for metric, measured in metrics.items():
        line += f"; {split} {metric.removesuffix('_metrics')} {_epoch_values(measured)}"
    return line


def _epoch_values(values: Mapping[str, float]) -> str:
    """Return the main values of a metric as text, or all values if it has others than those of ranks."""
    if EPOCH_METRICS.keys() <= values.keys():
        return " ".join(f"{METRIC_LABELS[name]} {values[name]:{form}}" for name, form in EPOCH_METRICS.items())
    return " ".join(f"{name} {value:.4g}" for name, value in values.items())


def format_table(
    results: Mapping[str, Mapping[str, float]],
    spread: Mapping[str, Mapping[str, float]] | None = None,
    videos: int | None = None,
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
) -> str:
    """Return a table with a row per metric function ("t2v_metrics", ...) and a column per value.

    Args:
        results: metric function -> name -> value.
        spread: metric function -> name -> standard deviation, shown in brackets.
        intervals: metric function -> name -> confidence interval, shown in a row below the values.
        videos: number of candidate videos, shown in the corner, with the R@1 of chance if there are fewer than `MIN_VIDEOS`.
    """
    names = list(dict.fromkeys(name for values in results.values() for name in values))
    corner = "" if videos is None else count_text(videos, "video")
    if videos is not None and videos < MIN_VIDEOS:
        corner += f", chance R@1 {chance_recall(1, videos):.1f}"
    cells = [[corner, *(METRIC_LABELS.get(name, name) for name in names)]]
    for metric, values in results.items():
        texts = {
            name: f"{value:.1f}" + (f" ({spread[metric][name]:.1f})" if spread else "") for name, value in values.items()
        }
        cells.append([metric.removesuffix("_metrics"), *(texts.get(name, "-") for name in names)])
        if ends := (intervals or {}).get(metric):
            texts = {name: f"{low:.1f}-{high:.1f}" for name, (low, high) in ends.items()}
            cells.append(["", *(texts.get(name, "") for name in names)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def chance_recall(k: int, videos: int) -> float:
    """Return the R@k, in percent, of a random order of a number of videos."""
    return 100 * min(k, videos) / videos


def warn_if_small(sizes: Mapping[str, int]) -> None:
    """Log a warning for each split with too few videos for reliable metrics; `sizes` maps its name to its videos."""
    for split, videos in sizes.items():
        if videos < MIN_VIDEOS:
            chance = ", ".join(f"R@{k} {chance_recall(k, videos):.1f}" for k in (1, 5, 10))
            logger.warning(
                "split %s has only %s: a random order has %s, its metrics are unreliable; expected %d or more",
                split, count_text(videos, "video"), chance, MIN_VIDEOS,
            )  # fmt: skip


def report_seeds(folder: Path, runs: Sequence[Mapping]) -> None:
    """Log mean and standard deviation of every metric over `runs`, `metrics.json` of each seed, and write `summary.json`."""
    metrics = [key for key in runs[0] if key.endswith("_metrics")]
    values = {m: {name: [run[m][name] for run in runs] for name in runs[0][m]} for m in metrics}
    mean = {m: {name: statistics.fmean(x) for name, x in by_name.items()} for m, by_name in values.items()}
    std = {m: {name: statistics.stdev(x) if len(x) > 1 else 0.0 for name, x in v.items()} for m, v in values.items()}
    shared = {key: runs[0][key] for key in ("split", "leaky", "config")}
    ties = sorted({run.get("v2t_ties", "published") for run in runs})  # not in runs from before December 2026
    if len(ties) > 1:
        logger.warning("v2t_ties differs between seeds (%s): their v2t metrics cannot be compared", ", ".join(ties))
    environments: list[Mapping | None] = []  # several, if a run was resumed on another machine
    for run in runs:
        if (environment := run.get("environment")) not in environments:
            environments.append(environment)
    seeds = [run["seed"] for run in runs]
    content = {"mean": mean, "std": std, "seeds": seeds, **shared, "v2t_ties": ", ".join(ties), "environments": environments}
    write_json(folder / SUMMARY, content)
    split = label_leaky(shared["split"], shared["leaky"])
    table = format_table(mean, std, runs[0].get("videos"))
    logger.info("%s, split %s, mean (std):\n%s", count_text(len(runs), "seed"), split, table)
    logger.info("summary: %s", folder / SUMMARY)
