"""The base class of extractors that describe single frames by a network."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from misc.extractors.extractor import ExpertOutput, at_times
from misc.video_reading.media import Media
from utils.errors import InputError

BATCH = 16
MAX_ASPECT = 8  # of an image: networks scale its shorter side up to the size of their input


def to_image(frame: np.ndarray) -> Image.Image:
    """Return a frame, (H, W, 3) uint8, as an image, cut to its middle if its aspect exceeds `MAX_ASPECT`."""
    height, width = frame.shape[:2]
    image = Image.fromarray(frame)
    w, h = min(width, MAX_ASPECT * height), min(height, MAX_ASPECT * width)
    if (w, h) == (width, height):
        return image
    left, top = (width - w) // 2, (height - h) // 2
    return image.crop((left, top, left + w, top + h))


def encode_frames(
    frames: np.ndarray,
    prepare: Callable[[Image.Image], torch.Tensor],
    network: Callable[[torch.Tensor], torch.Tensor],
    device: str,
) -> np.ndarray:
    """Return the features of frames (T, H, W, 3), T > 0, independent of their number: (T, dim) float32.

    `prepare` converts an image to an input (3, h, w), and `network` inputs (n, 3, h, w) on `device` to features (n, dim).
    """
    features = []
    # Rounding to TF32 would make the features of a frame depend on the size of its batch.
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        for start in range(0, len(frames), BATCH):
            inputs = torch.stack([prepare(to_image(frame)) for frame in frames[start : start + BATCH]])  # (n, 3, h, w)
            features.append(network(inputs.to(device)).float().cpu().numpy())
    return np.concatenate(features)


class FrameExtractor:
    """An extractor that describes at most `frames` evenly spaced frames of a video by a network; see `encode_frames`.

    Raises:
        InputError: `frames` is not a positive number, or the network does not return a vector per frame, or is random.
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
        first, second = self._encode(np.repeat(frame, 2, axis=0))
        if first.ndim != 1:
            raise InputError(f"extractor '{spec}': returns {first.shape} for a frame, expected a vector")
        if not np.allclose(first, second, rtol=1e-4, atol=1e-5):
            raise InputError(f"extractor '{spec}': its features of a frame are random, expected a deterministic model")
        self.dim = len(first)

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the features of the frames; None for a video without frames."""
        frames = media.select_frames(self._frames)
        if not len(frames):
            return None
        return ExpertOutput(self._encode(frames), spans=at_times(media.select_times(self._frames)))

    def _encode(self, frames: np.ndarray) -> np.ndarray:
        return encode_frames(frames, self._prepare, self._network, self._device)
