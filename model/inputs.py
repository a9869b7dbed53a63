"""The experts of a batch as the model takes them: checked, and without what is missing."""

import zlib

import torch
from torch import Tensor, nn

from utils.errors import InputError


class ExpertInputs(nn.Module):
    """Replace missing experts by zeros, and chosen ones by noise.

    Args:
        noisy: experts to replace by noise, new in each training step, constant in evaluation.
        check_nan: look for NaN in experts that are present.
    """

    def __init__(self, noisy: set[str], check_nan: bool = True):
        super().__init__()
        self.noisy = noisy
        self.check_nan = check_nan
        self._nan_items: dict[str, Tensor] = {}  # expert -> the first item of a batch that was NaN, or -1

    def forward(self, name: str, x: Tensor, available: Tensor) -> Tensor:
        """Return expert `name` of B videos, `x` of (B, ...), with zeros where `available`, (B,), is 0.

        Raises:
            InputError: NaN in an expert that is present; on a GPU `raise_if_nan` raises it.
        """
        present = available.bool()
        if self.check_nan:
            self._note_nan(name, x, present)
        x = torch.where(present.view(-1, *[1] * (x.ndim - 1)), x, 0)
        if name in self.noisy:
            x = torch.randn_like(x) if self.training else _constant_noise(name, x)
        return x

    def raise_if_nan(self) -> None:
        """Raise if an expert that is present has been NaN since the last call.

        Raises:
            InputError: it names the expert and the item of its batch.
        """
        items, self._nan_items = self._nan_items, {}
        for name, item in items.items():
            if item >= 0:
                raise InputError(f"expert '{name}', item {int(item)} of the batch: NaN, but it counts as present")

    def _note_nan(self, name: str, x: Tensor, present: Tensor) -> None:
        """Note the first item of the batch that is present and NaN.

        On a CPU it raises at once. On a GPU that would wait for all queued work, so that callers ask once per epoch.
        """
        bad = torch.isnan(x).flatten(1).any(dim=1) & present
        item = torch.where(bad.any(), bad.int().argmax(), -1)
        earlier = self._nan_items.get(name)
        self._nan_items[name] = item if earlier is None else torch.where(earlier < 0, item, earlier)
        if x.device.type == "cpu":
            self.raise_if_nan()


def _constant_noise(name: str, x: Tensor) -> Tensor:
    """Return the same noise for every video and frame, so that a score depends only on its text and its video."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(x.shape[-1], generator=generator).to(x).expand_as(x)
