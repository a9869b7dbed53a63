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
    # Rounding to TF32 would make a frame's features depend on how many it is with.
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        for start in range(0, len(frames), batch):
            inputs = torch.stack([prepare(image_of(frame)) for frame in frames[start : start + batch]])  # (n, 3, h, w)
            parts.append(network(inputs.to(device)).float().cpu().numpy())
    return np.concatenate(parts)


class FrameExtractor:
    """Describes at most `frames` frames of a video, evenly spread; see `Extractor`, and `features_of` for the rest.

    Raises:
        InputError: `frames` is no number of frames, or the network makes no vector of one, or another each time.
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
        frame = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
        first, second = self._features(np.repeat(frame, 2, axis=0))
        if first.ndim != 1:
            raise InputError(f"extractor '{spec}': makes {first.shape} of a frame, expected a vector")
        if not np.allclose(first, second, rtol=1e-4, atol=1e-5):
            raise InputError(f"extractor '{spec}': what it makes of a frame is random, expected a model without chance")
        self.dim = len(first)

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`; None for a video without frames."""
        frames = media.spread(self._frames)
        return Found(self._features(frames)) if len(frames) else None

    def _features(self, frames: np.ndarray) -> np.ndarray:
        return features_of(frames, self._prepare, self._network, self._device)
