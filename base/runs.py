"""The runs of an experiment: which is not finished, and from where one goes on."""

import contextlib
import dataclasses
import json
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from base.checkpoint import BEST, INTERRUPTED, load_checkpoint, periodic_checkpoints
from base.experiment import CONFIG, METRICS, SUMMARY, Experiment
from base.monitor import Monitor
from utils.errors import InputError
from utils.files import locked

AUTO = Path("auto")

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ResumePoint:
    """Where a training goes on.

    Attributes:
        state: the content of a checkpoint.
        path: its file.
        same_run: whether it goes on in the run that the checkpoint is of, or begins another.
    """

    state: dict[str, Any]
    path: Path
    same_run: bool

    def __reduce__(self) -> tuple:
        """Another process is told of the file, and reads it for itself."""
        return _read_start, (self.path, self.same_run)

    @classmethod
    def newest(cls, models: Path) -> Self | None:
        """Going on with the run that wrote to `models`, from what was saved last and can be read; None before the first.

        Raises:
            InputError: nothing can be read.
        """
        if not models.is_dir():
            return None
        periodic, starts = periodic_checkpoints(models), []
        for path in (models / INTERRUPTED, models / BEST, *reversed(periodic)):
            if not path.exists() or path in periodic and starts and starts[-1].path in periodic:
                continue  # older than one that could be read
            try:
                starts.append(cls(load_checkpoint(path), path, same_run=True))
            except InputError as error:
                logger.warning("%s; skipped, what was saved before it is taken", error)
        if not starts and (periodic or (models / BEST).exists()):
            raise InputError(f"{models}: no checkpoint can be read, expected one to go on from; --resume auto needs it")
        return max(starts, key=cls.progress, default=None)

    def progress(self) -> tuple[int, float]:
        """The last epoch of which something is done, and the number of its steps that are done, inf for all of it."""
        begun = self.state.get("begun")
        return self.state["epoch"], math.inf if begun is None else begun["step"]


def _read_start(path: Path, same_run: bool) -> ResumePoint:
    return ResumePoint(load_checkpoint(path), path, same_run)


def newest_first(experiment: Path) -> list[Path]:
    """The folders of the runs of an experiment, `<time>` or `<time>-<n>`."""
    runs = [path for path in experiment.glob("*") if path.is_dir()]
    return sorted(runs, key=lambda run: (run.name[:19], len(run.name), run.name), reverse=True)


def seeds_of(run: Path) -> dict[int, Path]:
    """Seed -> folder of the parts of a run with several seeds."""
    found = {path.name.removeprefix("seed-"): path for path in run.glob("seed-*")}
    return dict(sorted((int(seed), path) for seed, path in found.items() if seed.isdecimal()))


def config_of_run(models: Path) -> dict[str, Any] | None:
    """The config of the run that wrote to `models`; None where none can be read."""
    try:
        return json.loads((models / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def find_unfinished_run(config: dict[str, Any], seeds: Sequence[int] | None) -> Experiment | None:
    """The newest run of an experiment that is not finished, if there is one with this config.

    Args:
        config: whole, with the name of the experiment and the folder of all of them.
        seeds: those that it is for, some of which it began with (None: the run is for the config's seed alone).
    """
    save_dir = Path(config["trainer"]["save_dir"])
    for run in newest_first(save_dir / "models" / config["name"]):
        if seeds is None:
            same, end = config_of_run(run) == config, METRICS
        else:
            begun = _begun(run)
            same, end = bool(begun) and begun.keys() <= set(seeds) and _have_config(begun, config), SUMMARY
        if same and not (run / end).exists():
            return Experiment(save_dir, config["name"], run.name)
    return None


def find_complete_run(config: dict[str, Any], seeds: Sequence[int]) -> Path | None:
    """The newest run of an experiment with several seeds, if it is finished and has this config and these seeds."""
    runs = newest_first(Path(config["trainer"]["save_dir"], "models", config["name"]))
    newest = next((run for run in runs if _begun(run)), None)
    if newest is None or not (newest / SUMMARY).exists():
        return None
    begun = _begun(newest)
    return newest if begun.keys() == set(seeds) and _have_config(begun, config) else None


def _begun(run: Path) -> dict[int, Path]:
    """`seeds_of` a run that have got as far as a config."""
    return {seed: part for seed, part in seeds_of(run).items() if (part / CONFIG).exists()}


def _have_config(parts: dict[int, Path], config: dict[str, Any]) -> bool:
    """Whether the parts of a run have a config, but for the seed."""
    return all(config_of_run(part) == config | {"seed": seed} for seed, part in parts.items())


def resolve_resume(
    resume: Path | None, state: dict[str, Any] | None, config: dict[str, Any], seeds: Sequence[int] | None
) -> tuple[Experiment | None, ResumePoint | None]:
    """The run in which to go on (None: in a new one), and the checkpoint to go on from, if it is not one a seed.

    Args:
        resume: a checkpoint, whose content is `state`, `AUTO`, or None.
        config, seeds: of the run that is wanted.
    """
    if resume is None:
        return None, None
    if resume != AUTO:
        found = Experiment.of_checkpoint(resume) if state["config"] == config else None
        return found, ResumePoint(state, resume, same_run=found is not None)
    found = find_unfinished_run(config, seeds)
    print(f"goes on in {found.models}" if found else "no unfinished run of this config: a new one")
    return found, ResumePoint.newest(found.models) if found and seeds is None else None


def read_final_metrics(models: Path) -> dict[str, Any] | None:
    """The content of the `metrics.json` that ends a run of one seed; None if there is none yet.

    Raises:
        InputError: it cannot be read.
    """
    path = models / METRICS
    if not path.exists():
        return None
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}), expected metrics written by train.py") from None


def resume_state(models: Path | None) -> tuple[dict[str, Any] | None, ResumePoint | None]:
    """How a run of one seed ended that wrote to `models`, and, if it did not, where to go on; each may be None."""
    if models is None:
        return None, None
    done = read_final_metrics(models)
    return done, ResumePoint.newest(models) if done is None else None


def load_best(models: Path, monitor: str) -> tuple[Path, dict[str, Any]]:
    """The best model of the run that wrote to `models`, and its file; if that is lost, the best checkpoint that is left.

    Args:
        monitor: the `trainer.monitor` of the run.

    Raises:
        InputError: nothing can be read.
    """
    best = models / BEST
    try:
        return best, load_checkpoint(best)
    except InputError as error:
        lost = error
    watched, found = Monitor(monitor), None
    for path in periodic_checkpoints(models):
        try:
            state = load_checkpoint(path)
        except InputError as error:
            logger.warning("%s; skipped", error)
            continue
        if (watched.mode == "off" or watched.name in state.get("values", {})) and watched.update(state.get("values", {})):
            found = path, state
    if found is None:
        raise InputError(f"{lost}; no other checkpoint of the run can be read")
    logger.warning("%s; %s, the best that can be read, is tested in its place", lost, found[0])
    return found


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder.

    Raises:
        InputError: another process is training there.
    """
    with locked(folder, f"{folder}: another process is training there"):
        yield
