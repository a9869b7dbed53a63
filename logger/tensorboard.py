"""What TensorBoard is told of a run, by names that are the same in every run, so that runs lie over each other.

| name | |
| --- | --- |
| `loss`, `lr`, `steps_per_second` | of an epoch of training |
| `val_<metrics>/<name>` | each metric on the split that is watched |
| `val_ranks/<task>` | histogram of the ranks of its queries |
| `moe_weights/<expert>` | mean weight over its captions; all experts in one chart under "Custom scalars" |
| `moe_weights_by_caption/<expert>` | histogram of these weights |
| `test_<metrics>/<name>` | each metric of the best model on the test split, at its epoch |

The leaky similarity puts `leaky_` before the names of metrics and ranks.
"""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from parse_config import ConfigParser, leaves
from utils.interrupts import defer_signals

if TYPE_CHECKING:  # the trainer tells the events, not the other way round
    from trainer.evaluation import Evaluation

# The parts of a config that make a difference to a model, beside the names of its experts.
VARIED = ("seed", "arch.", "data_loader.args.", "optimizer.", "lr_scheduler.", "loss.", "experts.", "trainer.epochs")
WEIGHT_BINS = np.linspace(0, 1, 51)

logger = logging.getLogger(__name__)


class RunEvents:
    """The TensorBoard events of a run; closed when its `with` block ends. Nothing is written if the config says so.

    Events that cannot be written are a warning, and no more are: no training ends for them.

    Args:
        folder: where the event file is made.
        config: of the run.
        modalities: names of the experts of its model.
        start_epoch: the first to come; what earlier event files in the folder say of it and later ones is hidden.
    """

    def __init__(self, folder: Path, config: ConfigParser, modalities: Sequence[str], start_epoch: int):
        self.leak = "leaky_" if config["arch"]["args"].get("similarity") == "paired-2019" else ""
        self.folder = folder
        self.writer: SummaryWriter | None = None
        self._thread_hook = threading.excepthook
        if not config["trainer"]["tensorboard"]:
            return
        threading.excepthook = self._thread_failed
        with self._tolerate_write_errors():
            self.writer = SummaryWriter(folder, purge_step=start_epoch)
            self.writer.add_text("config", f"```json\n{json.dumps(config.as_dict(), indent=4)}\n```")
            # A pattern and not this run's experts: TensorBoard merges equal charts of several runs.
            self.writer.add_custom_scalars({"moe_weights": {"all experts": ["Multiline", ["^moe_weights/"]]}})
            # Not `add_hparams`, which makes a run of its own, and whose list of keys hides those of other runs.
            self.writer.file_writer.add_summary(hparams_pb(varied(config, modalities)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.writer is not None:
            with defer_signals(), self._tolerate_write_errors():
                self.writer.close()
        threading.excepthook = self._thread_hook

    def epoch(self, values: Mapping[str, float], evaluation: "Evaluation") -> None:
        """Tell of one epoch.

        Args:
            values: by name, as `trainer.monitor` names them; `epoch` says which.
            evaluation: after that epoch.
        """
        if self.writer is None:
            return
        with self._tolerate_write_errors():
            self._tell(int(values["epoch"]), values, evaluation)

    def _tell(self, epoch: int, values: Mapping[str, float], evaluation: "Evaluation") -> None:
        for name, value in values.items():
            if name != "epoch":
                leak = self.leak if name.startswith("val_") else ""
                self.writer.add_scalar(leak + name.replace("_metrics_", "_metrics/"), value, epoch)
        for task, ranks in evaluation.ranks.items():
            candidates = evaluation.sims.shape[1] if task == "t2v" else int(evaluation.query_masks.sum())
            self.writer.add_histogram(f"{self.leak}val_ranks/{task}", 1 + ranks, epoch, bins=rank_bins(candidates))
        if evaluation.weights is not None:
            for name, weights in zip(evaluation.modalities, evaluation.weights.T, strict=True):
                self.writer.add_scalar(f"moe_weights/{name}", weights.mean(), epoch)
                self.writer.add_histogram(f"moe_weights_by_caption/{name}", weights, epoch, bins=WEIGHT_BINS)
        self.writer.flush()

    def test(self, metrics: Mapping[str, Mapping[str, float]], epoch: int) -> None:
        """Tell of the test of the best model, which ends the run.

        Args:
            metrics: "t2v_metrics", ... -> values by name.
            epoch: after which the model was the best.
        """
        if self.writer is None:
            return
        with self._tolerate_write_errors():
            for metric, values in metrics.items():
                for name, value in values.items():
                    self.writer.add_scalar(f"{self.leak}test_{metric}/{name}", value, epoch)
            _, _, success = hparams({}, {})
            self.writer.file_writer.add_summary(success)

    @contextlib.contextmanager
    def _tolerate_write_errors(self) -> Iterator[None]:
        """Say of events that cannot be written which, and write no more."""
        try:
            yield
        except OSError as error:
            name, reason = os.fsdecode(error.filename or self.folder), error.strerror or error
            logger.warning("TensorBoard: %s cannot be written (%s), no further event is", name, reason)
            writer, self.writer = self.writer, None
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.file_writer.close()

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        """Leave what goes wrong where events are written to `_tolerate_write_errors`: TensorBoard raises it there too."""
        writes = type(failure.thread).__module__.startswith("tensorboard.")
        if not (writes and isinstance(failure.exc_value, OSError)):
            self._thread_hook(failure)


def varied(config: ConfigParser, modalities: Sequence[str]) -> dict[str, str | float | bool]:
    """What TensorBoard's HPARAMS page compares runs by: the single values of `VARIED`, and the experts as one text."""
    found = {key: value for key, value in leaves(config.as_dict()).items() if key.startswith(VARIED)}
    found = {key: value for key, value in found.items() if isinstance(value, str | int | float)}
    return {**found, "experts": " ".join(modalities)}


def rank_bins(candidates: int) -> np.ndarray:
    """Edges of bins of ranks from 1 to `candidates`: one for each rank to 50, then wider ones, each by a tenth.

    R@1, R@5, R@10 and R@50 can be read from them: 1 is alone, for ties may have a rank of 1.5, which is no hit.
    """
    edges = [1, 1.5, *range(2, 52)]
    while edges[-1] <= candidates:
        edges.append(edges[-1] + edges[-1] // 10)
    return np.array(edges, dtype=float)
