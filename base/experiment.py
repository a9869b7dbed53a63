"""The folders of an experiment: `<save_dir>/{models,log,web}/<name>/<timestamp>/`."""

import dataclasses
import itertools
import logging
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from utils.errors import InputError
from utils.files import locked

logger = logging.getLogger(__name__)

KINDS = ("models", "log", "web")
# What lies in the models' folder beside checkpoints: the config, and results, which come last; of several seeds a summary.
CONFIG, METRICS, SUMMARY = "config.json", "metrics.json", "summary.json"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One run of an experiment.

    Attributes:
        save_dir: the folder of all experiments.
        name: `<dataset>-<config stem>`.
        run: the timestamp, followed by `/seed-<n>` where several seeds are run.
    """

    save_dir: Path
    name: str
    run: str

    @classmethod
    def create(cls, save_dir: str | Path, name: str, kinds: Sequence[str] = KINDS) -> "Experiment":
        """A run with the time as its name, in folders that did not exist before.

        Args:
            kinds: the folders to make.
        """
        timestamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        experiment = cls(Path(save_dir), name, timestamp)
        try:
            experiment.log.parent.mkdir(parents=True, exist_ok=True)
            attempts = itertools.count(1)
            while not _made(experiment.log):  # another run of this second
                experiment = dataclasses.replace(experiment, run=f"{timestamp}-{next(attempts)}")
            return experiment.with_folders(kinds)
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be made ({error.strerror})") from None

    @classmethod
    def of_checkpoint(cls, checkpoint: Path) -> "Experiment | None":
        """The run that a checkpoint lies in, or None if it lies elsewhere."""
        parents = checkpoint.resolve().parents
        seed = parents[0].name if parents[0].name.startswith("seed-") else None
        folder = parents[1] if seed else parents[0]
        if len(folder.parents) < 3 or folder.parents[1].name != "models":
            return None
        run = f"{folder.name}/{seed}" if seed else folder.name
        save_dir, here = folder.parents[2], Path.cwd()
        save_dir = save_dir.relative_to(here) if save_dir.is_relative_to(here) else save_dir
        return cls(save_dir, folder.parent.name, run)

    def with_seed(self, seed: int) -> "Experiment":
        """The part of this run with one of several seeds."""
        return dataclasses.replace(self, run=f"{self.run}/seed-{seed}")

    def with_folders(self, kinds: Sequence[str] = KINDS) -> "Experiment":
        """This run, its folders made."""
        for kind in kinds:
            self.folder(kind).mkdir(parents=True, exist_ok=True)
        return self

    def folder(self, kind: str) -> Path:
        """The folder of one of `KINDS`."""
        return self.save_dir / kind / self.name / self.run

    @property
    def models(self) -> Path:
        """Checkpoints, config and metrics."""
        return self.folder("models")

    @property
    def log(self) -> Path:
        """`info.log` and TensorBoard events."""
        return self.folder("log")

    @property
    def web(self) -> Path:
        """The ranking page."""
        return self.folder("web")


def _made(folder: Path) -> bool:
    """Whether the last part of `folder` was made just now, and not there before."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def confirm_purge(save_dir: str | Path, name: str, agreed: bool) -> list[Path]:
    """The folders of all runs of the experiment `name`, which somebody agrees to delete.

    Args:
        agreed: do not ask.

    Raises:
        InputError: a folder is a link or not right inside `save_dir`, or the answer is no.
    """
    folders = []
    for kind in KINDS:
        folder = Path(save_dir) / kind / name
        outside = not name or Path(name).name != name or folder.resolve() != Path(save_dir).resolve() / kind / name
        if outside or folder.is_symlink():
            raise InputError(f"{folder}: a link, or outside {save_dir}; nothing is deleted")
        if folder.exists():
            folders.append(folder)
    if folders and not agreed:
        if not sys.stdin.isatty():
            raise InputError("--purge_exp_dir: nobody to ask, expected --yes")
        if input(f"delete {', '.join(map(str, folders))}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise InputError("--purge_exp_dir: not agreed, nothing is deleted")
    return folders


def purge_runs(save_dir: str | Path, name: str, agreed: bool, keep: str | None = None) -> None:
    """Delete all runs of the experiment `name`, and nothing else; links inside its folders are removed, not followed.

    A run that another process is training stays too, with a warning.

    Args:
        agreed: delete without asking.
        keep: a run that stays.

    Raises:
        InputError: as `confirm_purge`.
    """
    folders = confirm_purge(save_dir, name, agreed)
    kept = {keep}
    for run in Path(save_dir, KINDS[0], name).glob("*"):
        if run.name != keep and not run.is_symlink() and run.is_dir() and _in_use(run):
            logger.warning("%s: another process is training there, it is not deleted", run)
            kept.add(run.name)
    for folder in folders:
        for path in folder.iterdir():
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.name not in kept:
                shutil.rmtree(path)
        if kept == {None}:
            shutil.rmtree(folder)


def _in_use(run: Path) -> bool:
    """Whether a process trains in the folder of a run, or in that of one of its seeds."""
    try:
        for folder in (run, *run.glob("seed-*/")):
            with locked(folder, "in use"):
                pass
    except InputError:
        return True
    return False
