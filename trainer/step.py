"""A pass over training batches."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from trainer.evaluation import to_device
from utils.errors import InputError


class LossSum:
    """The sum of the losses of an epoch, on the device, and the first step whose loss was no number.

    Args:
        value: to begin with.
    """

    def __init__(self, device: torch.device, value: float = 0.0):
        self.total = torch.tensor(value, device=device)
        self._bad = torch.tensor(-1, device=device)

    def add(self, loss: Tensor, step: int) -> None:
        """Add the loss of a step."""
        self.total += loss
        self._bad = torch.where((self._bad < 0) & ~torch.isfinite(loss), step, self._bad)

    def bad_step(self) -> int | None:
        """The first step whose loss was NaN or inf, if there was one; this waits for a GPU."""
        return None if self._bad < 0 else int(self._bad)


class TrainingSteps:
    """Forward and backward passes, and a step of the optimiser once in `accumulate` batches.

    Attributes:
        last: the batch that was trained on last.

    Args:
        model: a `CENet` on `device`, or the `Replica` of one.
        loss: of a (B, B) similarity.
        optimizer: of the model's parameters.
        device: where the model runs.
        precision: "fp32"; "tf32", where a GPU multiplies float32 with 10 bits of mantissa; "bf16", where layers multiply
            bfloat16, on a CPU too. Parameters, batch-norm statistics, similarities and losses are float32 in all of them.
        accumulate: batches whose gradients are averaged for one step of the optimiser. Each is still ranked, and
            normalised, among itself: the negatives of a caption are those of its batch, so that this is less than a larger
            batch. Batches that are left at the end of an epoch are averaged among themselves.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        precision: str = "fp32",
        accumulate: int = 1,
    ):
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.device = device
        self.precision = precision
        self.accumulate = accumulate
        self.last: Mapping = {}

    def train_batches(self, batches: Iterable[Mapping], number: int, first: int = 0) -> Iterator[Tensor]:
        """Train on batches `first` to `number`: the loss of each, on the device, without waiting for it.

        Raises:
            InputError: NaN in an expert that is present, or on a CPU a loss that is no number, before its step is taken.
        """
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.precision == "tf32" else "highest")
        try:
            for i, batch in enumerate(batches, first):
                yield self._train_on(batch, i, number)
        finally:
            torch.set_float32_matmul_precision(before)

    def failure(self, batch: Mapping, i: int, number: int) -> InputError:
        """What to raise when the loss of batch i of `number` is NaN or inf, as `batch`, that one or a later one, shows."""
        lr, source = self.optimizer.param_groups[0]["lr"], self._find_nonfinite_source(batch)
        return InputError(
            f"step {i + 1} of {number}: the loss is NaN or inf, expected a number; it comes from {source}; "
            f"learning rate {lr:g} may be too high"
        )

    def _find_nonfinite_source(self, batch: Mapping) -> str:
        """Where a batch gives NaN or inf: the experts, or the text."""
        batch = to_device(batch, self.device)
        with torch.no_grad():
            video = self.model.embed_video(batch["experts"], batch["ind"], batch["frame_masks"])
            text = self.model.embed_text(batch["text"], batch["word_mask"])
        found = []
        for name, x in zip(self.model.modalities, video.experts, strict=True):
            if not torch.isfinite(batch["experts"][name][batch["ind"][name].bool()]).all():
                found.append(f"the features of expert '{name}'")
            elif not torch.isfinite(x).all():
                found.append(f"expert '{name}'")
        if not all(torch.isfinite(x).all() for x in (*text.experts, text.weights)):
            found.append("the text")
        return ", ".join(found) or "the similarities alone"

    def is_optimizer_step(self, done: int, number: int) -> bool:
        """Whether the optimiser has taken its step for all of the batches that are done, of `number`."""
        return done % self.accumulate == 0 or done == number

    def _train_on(self, batch: Mapping, i: int, number: int) -> Tensor:
        """The loss of batch i of `number`."""
        self.last = batch
        place = i % self.accumulate
        together = min(self.accumulate, number - i + place)
        if place == 0:
            self.optimizer.zero_grad()
        loss = self._loss(batch)
        if self.device.type == "cpu" and not torch.isfinite(loss):
            raise self.failure(batch, i, number)
        (loss / together).backward()
        if place == together - 1:
            self.optimizer.step()
        return loss.detach()

    def _loss(self, batch: Mapping) -> Tensor:
        """The loss of a batch, as `data_loader.dataset.Collate` makes it."""
        inputs = to_device({key: x for key, x in batch.items() if key != "ids"}, self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            sims = self.model(**inputs)["cross_view_conf_matrix"]  # (B, B)
        return self.loss(sims)
