"""The choice of the checkpoints that a run writes."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from base.checkpoint import (
    BEST,
    INTERRUPTED,
    latest_epoch,
    load_checkpoint,
    periodic_checkpoints,
    save_checkpoint,
    save_periodic,
)
from utils.errors import InputError


class CheckpointSaver:
    """A writer of the checkpoints of a run: periodic ones, the best model, and an interrupted epoch.

    Attributes:
        options: section `trainer` of the config.
        folder: folder of the checkpoints; nothing is written before it is set.
        last: checkpoint that was written last, or that the training was resumed from.
    """

    def __init__(self, options: Mapping[str, Any]):
        self.options = options
        self.folder: Path | None = None
        self.last: Path | None = None
        self._verified = False

    def save(self, state: dict[str, Any], is_best: bool, is_last: bool) -> None:
        """Save the epoch of `state` as the best model if `is_best`, and as a periodic checkpoint if it is due or `is_last`.

        After an epoch that `is_last` the training stops early. The first `skip_first_n_saves` epochs are not saved.
        """
        if state["epoch"] <= self.options["skip_first_n_saves"]:
            return
        if is_best:
            self._write(save_checkpoint, self.folder / BEST, state)
        if is_last or self._is_due(state["epoch"]):
            self._write(save_periodic, self.folder, state)
            if self.options.get("save_only_best"):
                for old in periodic_checkpoints(self.folder, state["epoch"])[:-1]:
                    old.unlink()
        if self.last is not None and self.last.name != INTERRUPTED:
            (self.folder / INTERRUPTED).unlink(missing_ok=True)

    def save_interrupted(self, state: dict[str, Any]) -> None:
        """Save an epoch that is not completely trained, or not evaluated."""
        if self.folder is not None:
            self._write(save_checkpoint, self.folder / INTERRUPTED, state)

    def save_missed(self, epoch: int) -> None:
        """Save the periodic checkpoint of the last `epoch` if the process was killed after saving it as the best model."""
        from_best = self.last is not None and self.last.resolve() == (self.folder / BEST).resolve()
        if from_best and self._is_due(epoch) and latest_epoch(self.folder) < epoch:
            self.last = save_periodic(self.folder, load_checkpoint(self.last))

    @contextlib.contextmanager
    def named_in_errors(self, moment: str, hint: str = "") -> Iterator[None]:
        """Put the moment of the training before the message of an `InputError`, and the last checkpoint after it."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{moment}{error}{hint}; the last checkpoint: {self.last or 'none'}") from None

    def _is_due(self, epoch: int) -> bool:
        """Return whether an epoch has a periodic checkpoint."""
        return epoch % self.options["save_period"] == 0 or epoch == self.options["epochs"]

    def _write(self, save: Callable[..., Path], path: Path, state: dict[str, Any]) -> None:
        """Save a checkpoint; read the first one back, so that a disk that damages files is noticed after one epoch."""
        self.last = save(path, state, verify=not self._verified)
        self._verified = True
