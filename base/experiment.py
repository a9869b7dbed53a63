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
# Files beside the checkpoints: the config, the metrics, which are written last, and the summary of several seeds.
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
        """Create a run that is named after the current time, with new folders.

        Args:
            kinds: the folders to create.
        """
        timestamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        experiment = cls(Path(save_dir), name, timestamp)
        try:
            experiment.log.parent.mkdir(parents=True, exist_ok=True)
            attempts = itertools.count(1)
            while not _create_folder(experiment.log):  # another run started in this second
                experiment = dataclasses.replace(experiment, run=f"{timestamp}-{next(attempts)}")
            return experiment.with_folders(kinds)
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be created ({error.strerror})") from None

    @classmethod
    def of_checkpoint(cls, checkpoint: Path) -> "Experiment | None":
        """Return the run whose folder holds a checkpoint, None if it is in no such folder."""
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
        """Return the part of the run for one of several seeds."""
        return dataclasses.replace(self, run=f"{self.run}/seed-{seed}")

    def with_folders(self, kinds: Sequence[str] = KINDS) -> "Experiment":
        """Create the folders of the run, and return the run."""
        for kind in kinds:
            self.folder(kind).mkdir(parents=True, exist_ok=True)
        return self

    def folder(self, kind: str) -> Path:
        """Return the folder of one of `KINDS`."""
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


def _create_folder(folder: Path) -> bool:
    """Return whether `folder` could be created, False if it exists already."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def confirm_purge(save_dir: str | Path, name: str, agreed: bool) -> list[Path]:
    """Return the folders with all runs of the experiment `name`, after the user has agreed to delete them.

    Args:
        agreed: do not ask.

    Raises:
        InputError: a folder is a link or not directly inside `save_dir`, or the answer is no.
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
            raise InputError("--purge_exp_dir: no terminal to ask on, expected --yes")
        if input(f"delete {', '.join(map(str, folders))}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise InputError("--purge_exp_dir: declined, nothing is deleted")
    return folders


def purge_runs(save_dir: str | Path, name: str, agreed: bool, keep: str | None = None) -> None:
    """Delete all runs of the experiment `name`, and nothing else; links inside its folders are removed, not followed.

    A run that another process is training is kept too, with a warning.

    Args:
        agreed: delete without asking.
        keep: the name of a run to keep.

    Raises:
        InputError: see `confirm_purge`.
    """
    folders = confirm_purge(save_dir, name, agreed)
    kept = {keep}
    for run in Path(save_dir, KINDS[0], name).glob("*"):
        if run.name != keep and not run.is_symlink() and run.is_dir() and _in_use(run):
            logger.warning("%s: another process is training there, not deleted", run)
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
    """Return whether a process is training in the folder of a run or of one of its seeds."""
    try:
        for folder in (run, *run.glob("seed-*/")):
            with locked(folder, "in use"):
                pass
    except InputError:
        return True
    return False
