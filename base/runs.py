"""Runs of an experiment: finding unfinished ones, and the checkpoint to resume from."""

import contextlib
import dataclasses
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from base.checkpoint import BEST, INTERRUPTED, load_checkpoint, periodic_checkpoints
from base.experiment import AUTO, CONFIG, METRICS, SUMMARY, Run
from base.monitor import Monitor
from utils.errors import InputError
from utils.files import locked

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ResumePoint:
    """A checkpoint to resume from, and whether its run continues (`same_run`) or another one starts."""

    state: dict[str, Any]
    path: Path
    same_run: bool

    def __reduce__(self) -> tuple:
        """Send only the path to another process, which reads the file itself."""
        return _read_resume_point, (self.path, self.same_run)

    @classmethod
    def newest(cls, models_dir: Path) -> Self | None:
        """Return the newest readable checkpoint of the run that wrote to `models_dir`, None before the first.

        Raises:
            InputError: there are checkpoints, but none is readable.
        """
        if not models_dir.is_dir():
            return None
        periodic, points = periodic_checkpoints(models_dir), []
        for path in (models_dir / INTERRUPTED, models_dir / BEST, *reversed(periodic)):
            if not path.exists() or path in periodic and points and points[-1].path in periodic:
                continue  # older than a readable one
            try:
                points.append(cls(load_checkpoint(path), path, same_run=True))
            except InputError as error:
                logger.warning("%s; skipped, an earlier checkpoint is used", error)
        if not points and (periodic or (models_dir / BEST).exists()):
            raise InputError(f"{models_dir}: no checkpoint can be read, expected one to resume from; --resume auto needs it")
        return max(points, key=cls.progress, default=None)

    def progress(self) -> tuple[int, float]:
        """Return the last epoch that was started, and the number of its finished steps (inf for a whole epoch)."""
        partial_epoch = self.state.get("begun")
        return self.state["epoch"], math.inf if partial_epoch is None else partial_epoch["step"]


def _read_resume_point(path: Path, same_run: bool) -> ResumePoint:
    return ResumePoint(load_checkpoint(path), path, same_run)


def list_runs(experiment: Path) -> list[Path]:
    """Return the folders of the runs of an experiment, `<time>` or `<time>-<n>`, newest first."""
    runs = [path for path in experiment.glob("*") if path.is_dir()]
    return sorted(runs, key=lambda run: (run.name[:19], len(run.name), run.name), reverse=True)


def seed_folders(run: Path) -> dict[int, Path]:
    """Return the folder of each seed of a run with several seeds."""
    folders = {path.name.removeprefix("seed-"): path for path in run.glob("seed-*")}
    return dict(sorted((int(seed), path) for seed, path in folders.items() if seed.isdecimal()))


def read_run_config(models_dir: Path) -> dict[str, Any] | None:
    """Return the config of the run that wrote to `models_dir`, None if it cannot be read."""
    try:
        return json.loads((models_dir / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def find_unfinished_run(config: dict[str, Any], seeds: Sequence[int] | None) -> Run | None:
    """Return the newest unfinished run with a complete config, if there is one.

    Of `seeds`, only some may have started (None: a run with the seed of the config).
    """
    save_dir = Path(config["trainer"]["save_dir"])
    for run in list_runs(save_dir / "models" / config["name"]):
        if seeds is None:
            matches, last_file = read_run_config(run) == config, METRICS
        else:
            configs, last_file = _seed_configs(run), SUMMARY
            matches = bool(configs) and configs.items() <= {seed: config | {"seed": seed} for seed in seeds}.items()
        if matches and not (run / last_file).exists():
            return Run(save_dir, config["name"], run.name)
    return None


def find_complete_run(config: dict[str, Any], seeds: Sequence[int]) -> Path | None:
    """Return the newest run with several seeds if it is complete and has this config and these seeds."""
    for run in list_runs(Path(config["trainer"]["save_dir"], "models", config["name"])):
        if configs := _seed_configs(run):
            is_complete = (run / SUMMARY).exists() and configs == {seed: config | {"seed": seed} for seed in seeds}
            return run if is_complete else None
    return None


def _seed_configs(run: Path) -> dict[int, dict[str, Any] | None]:
    """Return the config of each seed of a run that has started (None: it cannot be read)."""
    return {seed: read_run_config(path) for seed, path in seed_folders(run).items() if (path / CONFIG).exists()}


def resolve_resume(
    resume: Path | None, state: dict[str, Any] | None, config: dict[str, Any], seeds: Sequence[int] | None
) -> tuple[Run | None, ResumePoint | None]:
    """Return the run to continue (None: start a new one), and the checkpoint to resume from unless each seed has its own.

    Args:
        resume: the value of `--resume`: a checkpoint, whose content is `state`, `AUTO` or None.
        config: the complete config of the command line.
        seeds: the seeds of the command line (None: the seed of the config).
    """
    if resume is None:
        return None, None
    if resume != AUTO:
        run = Run.of_checkpoint(resume) if state["config"] == config else None
        return run, ResumePoint(state, resume, same_run=run is not None)
    run = find_unfinished_run(config, seeds)
    print(f"resuming {run.models}" if run else "no unfinished run of this config: starting a new one")
    return run, ResumePoint.newest(run.models) if run and seeds is None else None


def read_final_metrics(models_dir: Path) -> dict[str, Any] | None:
    """Return the content of the `metrics.json` that completes a run of one seed, None if the run is not complete.

    Raises:
        InputError: the file cannot be read.
    """
    path = models_dir / METRICS
    if not path.exists():
        return None
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}), expected metrics written by train.py") from None


def resume_state(models_dir: Path | None) -> tuple[dict[str, Any] | None, ResumePoint | None]:
    """Return the final metrics of the run of one seed that wrote to `models_dir`, or the checkpoint to resume it from.

    Both are None for a run that has not saved anything.
    """
    if models_dir is None:
        return None, None
    metrics = read_final_metrics(models_dir)
    return metrics, ResumePoint.newest(models_dir) if metrics is None else None


def load_best(models_dir: Path, monitor: str) -> tuple[Path, dict[str, Any]]:
    """Return the path and content of the best checkpoint of a run, or of the best readable one if that cannot be read.

    Raises:
        InputError: no checkpoint can be read.
    """
    path = models_dir / BEST
    try:
        return path, load_checkpoint(path)
    except InputError as error:
        lost = error
    watched, best = Monitor(monitor), None
    for path in periodic_checkpoints(models_dir):
        try:
            state = load_checkpoint(path)
        except InputError as error:
            logger.warning("%s; skipped", error)
            continue
        values = state.get("values", {})
        if (watched.mode == "off" or watched.name in values) and watched.update(values):
            best = path, state
    if best is None:
        raise InputError(f"{lost}; no other checkpoint of the run can be read")
    logger.warning("%s; %s, the best that can be read, is tested in its place", lost, best[0])
    return best


def run_lock(folder: Path) -> contextlib.AbstractContextManager:
    """Return a lock of the folder of a run, which raises an `InputError` if another process is training there."""
    return locked(folder, f"{folder}: another process is training there")
