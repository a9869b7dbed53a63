"""TensorBoard events of a run. Their names are the same in every run, so that runs can be compared in one chart.

| name | content |
| --- | --- |
| `loss`, `lr`, `steps_per_second` | values of each epoch of training |
| `temperature` | temperature of a `ContrastiveLoss` after each epoch; other losses may log values of their own |
| `val_<metrics>/<name>` | each metric on the validation split |
| `val_ranks/<task>` | histogram of the ranks of all queries |
| `moe_weights/<expert>` | mean weight over all captions; all experts in one chart under "Custom scalars" |
| `moe_weights_by_caption/<expert>` | histogram of these weights |
| `test_<metrics>/<name>` | each metric of the best model on the test split, at its epoch |

With the leaky similarity, the names of metrics and ranks begin with `leaky_`.
"""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from parse_config import leaves
from utils.interrupts import defer_signals

# Prefixes of the keys of a config that are hyperparameters, in addition to the names of the experts.
HPARAMS = (
    "seed",
    "arch.",
    "data_loader.args.",
    "optimizer.",
    "lr_scheduler.",
    "loss.",
    "experts.",
    "trainer.epochs",
    "init_from",
)
WEIGHT_BINS = np.linspace(0, 1, 51)

logger = logging.getLogger(__name__)


class RunEvents:
    """A writer of TensorBoard events, closed at the end of its `with` block; without `trainer.tensorboard` it does nothing.

    If events cannot be written, a warning is logged, no further ones are written, and the training continues.

    Args:
        modalities: names of the experts.
        start_epoch: first epoch that will be written; events of earlier files for this epoch and later ones are hidden.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], modalities: Sequence[str], start_epoch: int):
        self.leak = "leaky_" if config["arch"]["args"].get("similarity") == "paired-2019" else ""
        self.folder = folder
        self.writer: SummaryWriter | None = None
        self._thread_hook = threading.excepthook
        if not config["trainer"]["tensorboard"]:
            return
        threading.excepthook = self._ignore_write_errors
        with self._tolerate_write_errors():
            self.writer = SummaryWriter(folder, purge_step=start_epoch)
            self.writer.add_text("config", f"```json\n{json.dumps(config, indent=4)}\n```")
            # A pattern, not the names of the experts: TensorBoard merges charts that are equal in several runs.
            self.writer.add_custom_scalars({"moe_weights": {"all experts": ["Multiline", ["^moe_weights/"]]}})
            # `add_hparams` would create a separate run, and its list of keys would hide those of other runs.
            self.writer.file_writer.add_summary(hparams_pb(hyperparameters(config, modalities)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            with defer_signals(), self._tolerate_write_errors():
                self.writer.close()
        threading.excepthook = self._thread_hook

    def add_epoch(
        self,
        values: Mapping[str, float],
        ranks: Mapping[str, np.ndarray],
        num_candidates: Mapping[str, int],
        expert_weights: Mapping[str, np.ndarray],
    ) -> None:
        """Write the events of one epoch and of the validation after it.

        Args:
            values: "epoch" -> number of the epoch, and names as in `trainer.monitor` -> value.
            ranks: "t2v", "v2t" -> 0-based rank of each query.
            num_candidates: "t2v", "v2t" -> number of candidates of each query.
            expert_weights: expert -> its weight for each caption; empty in the Concat variants.
        """
        if self.writer is None:
            return
        epoch = int(values["epoch"])
        with self._tolerate_write_errors():
            for name, value in values.items():
                if name != "epoch":
                    leak = self.leak if name.startswith("val_") else ""
                    self.writer.add_scalar(leak + name.replace("_metrics_", "_metrics/"), value, epoch)
            for task, of_queries in ranks.items():
                bins = rank_bins(num_candidates[task])
                self.writer.add_histogram(f"{self.leak}val_ranks/{task}", 1 + of_queries, epoch, bins=bins)
            for name, weights in expert_weights.items():
                self.writer.add_scalar(f"moe_weights/{name}", weights.mean(), epoch)
                self.writer.add_histogram(f"moe_weights_by_caption/{name}", weights, epoch, bins=WEIGHT_BINS)
            self.writer.flush()

    def add_test(self, metrics: Mapping[str, Mapping[str, float]], epoch: int) -> None:
        """Write the test metrics of the model that was saved as the best after `epoch`, and mark the run as successful."""
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
        """Log a warning if events cannot be written, and stop writing."""
        try:
            yield
        except OSError as error:
            name, reason = os.fsdecode(error.filename or self.folder), error.strerror or error
            logger.warning("TensorBoard: %s cannot be written (%s), no further event is written", name, reason)
            writer, self.writer = self.writer, None
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.file_writer.close()

    def _ignore_write_errors(self, failure: threading.ExceptHookArgs) -> None:
        """Handle uncaught errors of threads, but ignore write errors, which TensorBoard raises in the main thread too."""
        writes = type(failure.thread).__module__.startswith("tensorboard.")
        if not (writes and isinstance(failure.exc_value, OSError)):
            self._thread_hook(failure)


def hyperparameters(config: Mapping[str, Any], modalities: Sequence[str]) -> dict[str, str | float | bool]:
    """Return the hyperparameters that TensorBoard's HPARAMS page compares runs by; the experts are one string."""
    values = {key: value for key, value in leaves(config).items() if key.startswith(HPARAMS)}
    values = {key: value for key, value in values.items() if isinstance(value, str | int | float)}
    return {**values, "experts": " ".join(modalities)}


def rank_bins(candidates: int) -> np.ndarray:
    """Return the edges of bins for ranks from 1 to `candidates`: one per rank up to 50, then each a tenth wider.

    R@1, R@5, R@10 and R@50 can be read from them. Rank 1 has its own bin: a tie may have rank 1.5, which is not a hit.
    """
    edges = [1, 1.5, *range(2, 52)]
    while edges[-1] <= candidates:
        edges.append(edges[-1] + edges[-1] // 10)
    return np.array(edges, dtype=float)
