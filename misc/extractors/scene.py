"""The scene expert: colors and edges of places, without a network."""

import numpy as np
from PIL import Image

from misc.extractors import image_statistics
from misc.extractors.extractor import ExpertOutput, ExtractorContext, at_times
from misc.video_reading.media import Media

SIZE = 96  # pixels, the side of the square to which frames are squeezed
CELLS = 6
DIM = 3 * CELLS**2 + 28 + image_statistics.ORIENTATIONS * CELLS**2


class SceneExtractor:
    """Mean colors of cells, shares of colors, and directions of edges of at most `frames` frames: (T, DIM)."""

    aggregation = "avg"

    def __init__(self, *, frames: int = 8, context: ExtractorContext):
        self._frames = frames
        self.dim = DIM

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the statistics of the frames of a video."""
        features = [_frame_statistics(frame) for frame in media.select_frames(self._frames)]
        if not features:
            return None
        return ExpertOutput(np.stack(features).astype(np.float32), spans=at_times(media.select_times(self._frames)))


def _frame_statistics(frame: np.ndarray) -> np.ndarray:
    """Return the statistics of a frame, (DIM,), each of the three groups normalized to length 1."""
    image = np.asarray(Image.fromarray(frame).resize((SIZE, SIZE), Image.Resampling.BOX))
    groups = (
        image_statistics.color_grid(image, CELLS),
        image_statistics.color_histogram(image),
        image_statistics.edge_histograms(image.mean(axis=-1), CELLS),
    )
    return np.concatenate([group / max(np.linalg.norm(group), 1e-6) for group in groups])
