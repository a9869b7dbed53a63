"""The results of an evaluation as a table and as `metrics.json`."""

import logging
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from base.experiment import SUMMARY
from utils.errors import count_text
from utils.files import write_json

# Of fewer, one video more or less moves R@1 by more than 2.
MIN_VIDEOS = 50

logger = logging.getLogger(__name__)


def label_leaky(split: str, leaky: bool) -> str:
    """The name of a split as it is printed, with a mark where the score was the leaky one."""
    return f"{split} (LEAKY similarity paired-2019)" if leaky else split


def epoch_line(split: str, epochs: int, values: Mapping[str, float], metrics: Mapping[str, Mapping[str, float]]) -> str:
    """An epoch of `epochs` in a line.

    Args:
        split: what was evaluated.
        values: epoch, loss, lr and steps_per_second.
        metrics: of each direction ("t2v_metrics", ...).
    """
    directions = "; ".join(f"{split} {name.removesuffix('_metrics')} {_epoch_values(m)}" for name, m in metrics.items())
    return (
        f"epoch {values['epoch']}/{epochs}: loss {values['loss']:.4f}, lr {values['lr']:.2e}, "
        f"{values['steps_per_second']:.{1 if values['steps_per_second'] >= 1 else 3}f} steps/s; {directions}"
    )


def _epoch_values(values: Mapping[str, float]) -> str:
    """Return the main values of a metric, or all of one that does not measure ranks."""
    if "R1" in values and "MedR" in values:
        return f"R@1 {values['R1']:.1f} R@5 {values['R5']:.1f} R@10 {values['R10']:.1f} MedR {values['MedR']:g}"
    return " ".join(f"{name} {value:.4g}" for name, value in values.items())


def format_table(
    results: Mapping[str, Mapping[str, float]],
    spread: Mapping[str, Mapping[str, float]] | None = None,
    videos: int | None = None,
) -> str:
    """Return a table with a row per direction ("t2v_metrics", ...) and a column per metric.

    Args:
        results: the values.
        spread: standard deviations, put in brackets.
        videos: how many videos were ranked, put in the corner, with the R@1 of chance below `MIN_VIDEOS`.
    """
    names = list(dict.fromkeys(name for values in results.values() for name in values))
    corner = "" if videos is None else count_text(videos, "video")
    if videos is not None and videos < MIN_VIDEOS:
        corner += f", chance R@1 {chance_recall(1, videos):.1f}"
    cells = [
        [
            corner,
            *(name.replace("geometric_mean_R1-R5-R10", "gmean(R1,R5,R10)") for name in names),
        ]
    ]
    for direction, values in results.items():
        texts = {
            name: f"{value:.1f}" + (f" ({spread[direction][name]:.1f})" if spread else "") for name, value in values.items()
        }
        cells.append([direction.removesuffix("_metrics"), *(texts.get(name, "-") for name in names)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def chance_recall(k: int, videos: int) -> float:
    """Return the R@k of a random order of `videos`, in percent."""
    return 100 * min(k, videos) / videos


def warn_if_small(sizes: Mapping[str, int]) -> None:
    """Warn of each split, by its name, that has too few videos for figures that mean something."""
    for split, videos in sizes.items():
        if videos < MIN_VIDEOS:
            chance = ", ".join(f"R@{k} {chance_recall(k, videos):.1f}" for k in (1, 5, 10))
            logger.warning(
                "split %s has only %s: a random order has %s, its figures mean little; expected %d or more",
                split, count_text(videos, "video"), chance, MIN_VIDEOS,
            )  # fmt: skip


def write_metrics(
    path: Path,
    metrics: Mapping[str, Mapping[str, float]],
    *,
    seed: int,
    epoch: int,
    split: str,
    leaky: bool,
    config: str,
    checkpoint: str,
    **more: object,
) -> dict:
    """Write the metrics of one evaluation and what they are of, atomically, and return the content."""
    about = {"seed": seed, "epoch": epoch, "split": split, "leaky": leaky, "config": config, "checkpoint": checkpoint}
    content = {**metrics, **about, **more}
    write_json(path, content)
    return content


def report_seeds(folder: Path, runs: Sequence[Mapping]) -> None:
    """Log mean (standard deviation) of every metric over `runs`, contents of `metrics.json`, and write `summary.json`."""
    directions = [key for key in runs[0] if key.endswith("_metrics")]
    values = {d: {name: [run[d][name] for run in runs] for name in runs[0][d]} for d in directions}
    mean = {d: {name: statistics.fmean(x) for name, x in by_name.items()} for d, by_name in values.items()}
    std = {d: {name: statistics.stdev(x) if len(x) > 1 else 0.0 for name, x in v.items()} for d, v in values.items()}
    shared = {key: runs[0][key] for key in ("split", "leaky", "config")}
    ties = sorted({run.get("v2t_ties", "published") for run in runs})  # runs before December 2026 do not say
    if len(ties) > 1:
        logger.warning("v2t_ties differ between seeds (%s): their v2t figures cannot be compared", ", ".join(ties))
    environments: list[Mapping | None] = []  # of several machines, where a run went on elsewhere
    for run in runs:
        if (made := run.get("environment")) not in environments:
            environments.append(made)
    seeds = [run["seed"] for run in runs]
    content = {"mean": mean, "std": std, "seeds": seeds, **shared, "v2t_ties": ", ".join(ties), "environments": environments}
    write_json(folder / SUMMARY, content)
    split = label_leaky(shared["split"], shared["leaky"])
    table = format_table(mean, std, runs[0].get("videos"))
    logger.info("%s, split %s, mean (std):\n%s", count_text(len(runs), "seed"), split, table)
    logger.info("summary: %s", folder / SUMMARY)
