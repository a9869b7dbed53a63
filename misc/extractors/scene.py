"""What a place looks like: its colours and edges and where they are, without a network."""

import numpy as np
from PIL import Image

from misc.extractors import statistics
from misc.extractors.extractor import Found, Media, Setting

SIZE = 96  # pixels, the side of the square to which frames are squeezed
CELLS = 6
DIM = 3 * CELLS**2 + 28 + statistics.ORIENTATIONS * CELLS**2


class Extractor:
    """Mean colours of cells, shares of colours, and directions of edges of `frames` frames: (T, DIM)."""

    aggregation = "avg"

    def __init__(self, *, frames: int = 8, setting: Setting):
        self._frames = frames
        self.dim = DIM

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`."""
        seen = [_described(frame) for frame in media.spread(self._frames)]
        return Found(np.stack(seen).astype(np.float32)) if seen else None


def _described(frame: np.ndarray) -> np.ndarray:
    """A frame's statistics, (DIM,), each of the three parts about as large as the others."""
    image = np.asarray(Image.fromarray(frame).resize((SIZE, SIZE), Image.Resampling.BOX))
    parts = (statistics.grid(image, CELLS), statistics.colours(image), statistics.gradients(image.mean(axis=-1), CELLS))
    return np.concatenate([part / max(np.linalg.norm(part), 1e-6) for part in parts])
