"""Helpers of the training loop: batches and their interruption, accumulation, precision, and the sum of losses."""

import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor, nn
from tqdm import tqdm

from utils.errors import InputError
from utils.interrupts import InterruptHandler


class LossSum:
    """The sum of the losses of an epoch, on the device.

    Args:
        total, count: sum and number of the losses so far, where part of the epoch is done.
    """

    def __init__(self, device: torch.device, total: float = 0.0, count: int = 0):
        self.total = torch.tensor(total, device=device)
        self.count = count
        self._first_nonfinite = torch.tensor(-1, device=device)

    def add(self, loss: Tensor, step: int) -> None:
        """Add the loss of `step`, without waiting for a GPU."""
        self.total += loss
        self.count = step + 1
        is_first = (self._first_nonfinite < 0) & ~torch.isfinite(loss)
        self._first_nonfinite = torch.where(is_first, step, self._first_nonfinite)

    def first_nonfinite(self) -> int | None:
        """Return the first step whose loss was NaN or inf, None if there was none; this waits for a GPU."""
        return None if self._first_nonfinite < 0 else int(self._first_nonfinite)


def iter_until_interrupted(
    loader: Collection[Mapping], first_step: int, accumulate: int, interrupts: InterruptHandler, description: str
) -> Iterator[tuple[int, Mapping]]:
    """Yield the number and the batch of each step, with a progress bar, and end when an interrupt comes.

    An interrupt ends the wait for a batch too, but never comes between batches whose gradients are accumulated.

    Args:
        loader: has the length of a whole epoch, and yields the batches from `first_step` on.
    """
    batches, num_steps = iter(loader), len(loader)
    bar = tqdm(desc=description, initial=first_step, total=num_steps, leave=False, disable=not sys.stdout.isatty())
    with bar:
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


def accumulated_steps(step: int, num_steps: int, accumulate: int) -> range:
    """Return the steps whose gradients are averaged with those of `step` before the optimizer takes a step.

    These are `accumulate` steps. Those that are left at the end of an epoch are averaged among themselves.
    """
    start = step - step % accumulate
    return range(start, min(start + accumulate, num_steps))


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Let a GPU multiply float32 matrices with a mantissa of 10 bits if `precision` is "tf32"."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def nonfinite_loss_error(model: nn.Module, inputs: Mapping, step: int, num_steps: int, lr: float) -> InputError:
    """Return the error for a loss of NaN or inf in `step`.

    Args:
        inputs: the batch of this step or a later one, on the device of `model`, to find the source with.
        lr: learning rate.
    """
    return InputError(
        f"step {step + 1} of {num_steps}: the loss is NaN or inf, expected a number; it comes from "
        f"{_find_nonfinite_source(model, inputs)}; learning rate {lr:g} may be too high"
    )


@torch.no_grad()
def _find_nonfinite_source(model: nn.Module, inputs: Mapping) -> str:
    """Name the parts of a batch whose features or embeddings are NaN or inf: experts, or the text."""
    video = model.embed_video(inputs["experts"], inputs["ind"], inputs["frame_masks"])
    text = model.embed_text(inputs["text"], inputs["word_mask"])
    sources = []
    for name, embedding in zip(model.modalities, video.experts, strict=True):
        if not torch.isfinite(inputs["experts"][name][inputs["ind"][name].bool()]).all():
            sources.append(f"the features of expert '{name}'")
        elif not torch.isfinite(embedding).all():
            sources.append(f"expert '{name}'")
    if not all(torch.isfinite(x).all() for x in (*text.experts, text.weights)):
        sources.append("the text")
    return ", ".join(sources) or "the similarities alone"
