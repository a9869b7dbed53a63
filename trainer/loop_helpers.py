"""Helpers of the training loop: interruptible batches, accumulation, precision, the sum of losses, and its errors."""

import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.similarity import find_nonfinite_source
from utils.errors import InputError
from utils.interrupts import InterruptHandler


class LossSum:
    """The sum of the losses of an epoch, on the device; `total` and `count` are those of the steps that are done already."""

    def __init__(self, device: torch.device, total: float = 0.0, count: int = 0):
        self.total = torch.tensor(total, device=device)
        self.count = count
        self._first_nonfinite = torch.tensor(-1, device=device)

    def add(self, loss: Tensor, step: int) -> None:
        """Add the loss of a step, without waiting for a GPU."""
        self.total += loss
        self.count = step + 1
        is_first = (self._first_nonfinite < 0) & ~torch.isfinite(loss)
        self._first_nonfinite = torch.where(is_first, step, self._first_nonfinite)

    def first_nonfinite(self) -> int | None:
        """Return the first step whose loss was NaN or inf (None: no step); this waits for a GPU."""
        return None if self._first_nonfinite < 0 else int(self._first_nonfinite)


def iter_until_interrupted(
    loader: Collection[Mapping], first_step: int, accumulate: int, interrupts: InterruptHandler, description: str
) -> Iterator[tuple[int, Mapping]]:
    """Yield the number and the batch of each step, with a progress bar, and stop early after an interrupt.

    An interrupt stops the wait for a batch too, but never separates batches whose gradients are accumulated. The first batch
    is that of `first_step` (from 0), but the length of `loader` is that of the whole epoch.
    """
    batches, num_steps = iter(loader), len(loader)
    with tqdm(desc=description, initial=first_step, total=num_steps, leave=False, disable=not sys.stdout.isatty()) as bar:
        for step in range(first_step, num_steps):
            interruptible = step % accumulate == 0
            try:
                with interrupts.interrupt_immediately() if interruptible else contextlib.nullcontext():
                    batch = next(batches)
            except KeyboardInterrupt:
                if interruptible and interrupts.interrupted:
                    return
                raise
            yield step, batch
            bar.update()


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Let a GPU multiply float32 matrices with a mantissa of 10 bits within the block, if `precision` is "tf32"."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@torch.no_grad()
def nonfinite_loss_error(model: nn.Module, inputs: Mapping, step: int, num_steps: int, lr: float) -> InputError:
    """Return the error for a loss of NaN or inf in `step` (from 0), which names the features or embeddings it comes from.

    These are looked for in `inputs`, the batch of the step or of a later one.
    """
    # In every process, also in one with bad features: batch norms communicate.
    video = model.embed_video(inputs["experts"], inputs["ind"], inputs["frame_masks"])
    text = model.embed_text(inputs["text"], inputs["word_mask"])
    bad_features = [
        f"the features of expert '{name}'"
        for name in model.modalities
        if not torch.isfinite(inputs["experts"][name][inputs["ind"][name].bool()]).all()
    ]
    source = ", ".join(bad_features) or find_nonfinite_source(model.modalities, text, video)
    return InputError(
        f"step {step + 1} of {num_steps}: the loss is NaN or inf, expected a number; it comes from {source}; "
        f"learning rate {lr:g} may be too high"
    )
