"""The folders of a run: `<save_dir>/{models,log,web}/<experiment>/<id>/`."""

import dataclasses
import itertools
import logging
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from utils.errors import InputError
from utils.files import locked

logger = logging.getLogger(__name__)

FOLDERS = ("models", "log", "web")
# Files beside the checkpoints: the config, the ranks of all queries, the metrics, which are written last, and the summary of
# several seeds.
CONFIG, RANKS, METRICS, SUMMARY = "config.json", "ranks.json", "metrics.json", "summary.json"
# The value of --resume that asks for the newest unfinished run.
AUTO = Path("auto")
# The public releases, by the year of the paper or of the correction.
RELEASES = {"2019": "the 2019 release", "2020": "the corrected release"}


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of an experiment.

    Attributes:
        save_dir: the folder of all experiments.
        experiment: the name of the experiment, by default `<last part of data_dir, in lower case>-<config stem>`.
        id: the timestamp, followed by `/seed-<n>` if several seeds are trained.
    """

    save_dir: Path
    experiment: str
    id: str

    @classmethod
    def create(cls, save_dir: str | Path, experiment: str, kinds: Sequence[str] = FOLDERS) -> Self:
        """Create a run that is named after the current time, with new folders for `kinds` of `FOLDERS`.

        Raises:
            InputError: a folder cannot be created.
        """
        timestamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        run = cls(Path(save_dir), experiment, timestamp)
        try:
            run.log.parent.mkdir(parents=True, exist_ok=True)
            for attempt in itertools.count(1):
                try:
                    run.log.mkdir()
                    break
                except FileExistsError:  # another run started in this second
                    run = dataclasses.replace(run, id=f"{timestamp}-{attempt}")
            return run.with_folders(kinds)
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be created ({error.strerror})") from None

    @classmethod
    def of_checkpoint(cls, checkpoint: Path) -> Self | None:
        """Return the run whose folder holds a checkpoint, None if the checkpoint is not in the folder of a run."""
        parents = checkpoint.resolve().parents
        seed = parents[0].name if parents[0].name.startswith("seed-") else None
        folder = parents[1] if seed else parents[0]
        if len(folder.parents) < 3 or folder.parents[1].name != "models":
            return None
        save_dir, here = folder.parents[2], Path.cwd()
        save_dir = save_dir.relative_to(here) if save_dir.is_relative_to(here) else save_dir
        return cls(save_dir, folder.parent.name, f"{folder.name}/{seed}" if seed else folder.name)

    def with_seed(self, seed: int) -> Self:
        """Return the part of the run for one of several seeds."""
        return dataclasses.replace(self, id=f"{self.id}/seed-{seed}")

    def with_folders(self, kinds: Sequence[str] = FOLDERS) -> Self:
        """Create the folders of the run, and return the run."""
        for kind in kinds:
            self.folder(kind).mkdir(parents=True, exist_ok=True)
        return self

    def folder(self, kind: str) -> Path:
        """Return the folder of the run below one of `FOLDERS`."""
        return self.save_dir / kind / self.experiment / self.id

    @property
    def models(self) -> Path:
        """Return the folder of the checkpoints, the config and the metrics."""
        return self.folder("models")

    @property
    def log(self) -> Path:
        """Return the folder of `info.log` and the TensorBoard events."""
        return self.folder("log")

    @property
    def web(self) -> Path:
        """Return the folder of the ranking page."""
        return self.folder("web")


def confirm_purge(save_dir: str | Path, experiment: str, agreed: bool) -> list[Path]:
    """Return the folders with all runs of an experiment, after the user has agreed to delete them, now or already.

    Raises:
        InputError: a folder is a link or not directly inside `save_dir`, or the answer is no.
    """
    folders = []
    for kind in FOLDERS:
        folder, expected = (path / kind / experiment for path in (Path(save_dir), Path(save_dir).resolve()))
        outside = not experiment or Path(experiment).name != experiment or folder.resolve() != expected
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


def purge_runs(save_dir: str | Path, experiment: str, agreed: bool, keep: str | None = None) -> None:
    """Delete all runs of an experiment, and nothing else; links inside its folders are removed, not followed.

    The run with the id `keep` is kept, and with a warning each run that another process is training. `confirm_purge` checks
    the folders and asks the user.
    """
    folders = confirm_purge(save_dir, experiment, agreed)
    kept = {keep}
    for run in Path(save_dir, FOLDERS[0], experiment).glob("*"):
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


def require_checkpoint(path: Path) -> None:
    """Raise an `InputError` if there is no such file; `base.checkpoint` reads it, which needs torch."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
