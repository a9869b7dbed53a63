"""Checks of the experts of a batch, and the values that replace missing or noisy ones."""

import zlib

import torch
from torch import Tensor, nn

from utils.errors import InputError


class ExpertInputs(nn.Module):
    """A layer that replaces missing experts by zeros, and chosen ones by noise.

    Args:
        noisy: names of the experts to replace by noise, which is new in each training step and constant in evaluation.
        check_nan: whether to look for NaN in available experts.
    """

    def __init__(self, noisy: set[str], check_nan: bool = True):
        super().__init__()
        self.noisy = noisy
        self.check_nan = check_nan
        self._nan_items: dict[str, Tensor] = {}  # expert -> the first item of a batch that was NaN, or -1

    def forward(self, name: str, x: Tensor, available: Tensor) -> Tensor:
        """Return the features `x` (B, ...) of an expert, with zeros where it is missing: where `available` (B,) is 0.

        Raises:
            InputError: NaN in an available expert; on a GPU `raise_if_nan` raises it.
        """
        available = available.bool()
        if self.check_nan:
            self._note_nan(name, x, available)
        x = torch.where(available.view(-1, *[1] * (x.ndim - 1)), x, 0)
        if name in self.noisy:
            x = torch.randn_like(x) if self.training else _constant_noise(name, x)
        return x

    def raise_if_nan(self) -> None:
        """Raise an `InputError` if an available expert has been NaN since the last call, with the item of its batch."""
        items, self._nan_items = self._nan_items, {}
        for name, item in items.items():
            if item >= 0:
                raise InputError(f"expert '{name}', item {int(item)} of the batch: NaN, but it counts as present")

    def _note_nan(self, name: str, x: Tensor, available: Tensor) -> None:
        """Note the first item of the batch that is available and NaN.

        On a CPU this raises immediately. On a GPU it would wait for all queued work; there, callers of `raise_if_nan` ask
        once per epoch.
        """
        bad = torch.isnan(x).flatten(1).any(dim=1) & available
        item = torch.where(bad.any(), bad.int().argmax(), -1)
        earlier = self._nan_items.get(name)
        self._nan_items[name] = item if earlier is None else torch.where(earlier < 0, item, earlier)
        if x.device.type == "cpu":
            self.raise_if_nan()


def _constant_noise(name: str, x: Tensor) -> Tensor:
    """Return the same noise for every video and frame, so that a score depends only on its text and its video."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(x.shape[-1], generator=generator).to(x).expand_as(x)
