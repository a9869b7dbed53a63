"""A pass over training batches."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from model.linear import recycle_gradients
from trainer.evaluation import to_device


class TrainingSteps:
    """Forward and backward passes, and a step of the optimiser once in `accumulate` batches.

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

    def losses(self, batches: Iterable[Mapping], number: int) -> Iterator[Tensor]:
        """Train on `number` batches: the loss of each, on the device, without waiting for it."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.precision == "tf32" else "highest")
        try:
            for i, batch in enumerate(batches):
                yield self._train_on(batch, i, number)
        finally:
            torch.set_float32_matmul_precision(before)

    def _train_on(self, batch: Mapping, i: int, number: int) -> Tensor:
        """The loss of batch i of `number`."""
        place = i % self.accumulate
        together = min(self.accumulate, number - i + place)
        if place == 0:
            recycle_gradients(self.model)
        loss = self._loss(batch)
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
