"""Extractors that describe frames by a network: what those of all libraries have in common."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from misc.extractors.extractor import Found, Media
from utils.errors import InputError

BATCH = 16
# How much longer one side of an image may be than the other: networks scale the shorter one up to their input's.
LONGEST = 8


def image_of(frame: np.ndarray) -> Image.Image:
    """A frame, (H, W, 3) uint8; of a strip longer than `LONGEST` its middle."""
    height, width = frame.shape[:2]
    image = Image.fromarray(frame)
    w, h = min(width, LONGEST * height), min(height, LONGEST * width)
    if (w, h) == (width, height):
        return image
    left, top = (width - w) // 2, (height - h) // 2
    return image.crop((left, top, left + w, top + h))


def features_of(
    frames: np.ndarray,
    prepare: Callable[[Image.Image], torch.Tensor],
    network: Callable[[torch.Tensor], torch.Tensor],
    device: str,
    batch: int = BATCH,
) -> np.ndarray:
    """What a network makes of each frame, however many there are: (T, dim) float32.

    Args:
        frames: (T, H, W, 3) uint8, T > 0.
        prepare: makes an image the network's input, (3, h, w).
        network: (n, 3, h, w) to (n, dim), in evaluation mode, on `device`.
        batch: how many it sees at once.
    """
    parts = []
    with torch.inference_mode():
        for start in range(0, len(frames), batch):
            inputs = torch.stack([prepare(image_of(frame)) for frame in frames[start : start + batch]])  # (n, 3, h, w)
            parts.append(network(inputs.to(device)).float().cpu().numpy())
    return np.concatenate(parts)


class FrameExtractor:
    """Describes at most `frames` frames of a video, evenly spread; see `Extractor`, and `features_of` for the rest.

    Raises:
        InputError: `frames` is no number of frames.
    """

    aggregation = "avg"

    def __init__(
        self,
        spec: str,
        prepare: Callable[[Image.Image], torch.Tensor],
        network: Callable[[torch.Tensor], torch.Tensor],
        frames: int,
        device: str,
    ):
        if not (type(frames) is int and frames > 0):
            raise InputError(f"extractor '{spec}': option 'frames' is {frames!r}, expected a whole number above 0")
        self._prepare, self._network, self._frames, self._device = prepare, network, frames, device
        self.dim = self._features(np.zeros((1, 32, 32, 3), np.uint8)).shape[1]

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`; None for a video without frames."""
        frames = media.spread(self._frames)
        return Found(self._features(frames)) if len(frames) else None

    def _features(self, frames: np.ndarray) -> np.ndarray:
        return features_of(frames, self._prepare, self._network, self._device)
