"""Faces: found by MTCNN (Zhang et al., 2016; facenet-pytorch, with its weights), described by the rgb network."""

import numpy as np
from PIL import Image

from misc.extractors import frames as by_network
from misc.extractors import rgb
from misc.extractors.extractor import Found, Media, Setting
from misc.extractors.text import import_or_explain
from misc.extractors.torchvision_import import ensure_torchvision, suppressed_by_class

SIGHT = 12  # pixels: what the first network of the detector looks at
MARGIN = 0.3  # of a face's box, on each side: with its hair


class Extractor:
    """The faces in `frames` frames, the largest first in each, at most `most` in all: (faces, 1280); None without one.

    Args:
        smallest: pixels, of the side of a face.
        surety: of the detector, from 0 to 1, that a face is one.
    """

    aggregation = "avg"

    def __init__(self, *, frames: int = 6, most: int = 16, smallest: int = 20, surety: float = 0.95, setting: Setting):
        ensure_torchvision()
        library = import_or_explain("facenet_pytorch")
        suppressed_by_class(library.models.utils.detect_face)
        self._detector = library.MTCNN(keep_all=True, min_face_size=smallest, device=setting.device).eval()
        self._frames, self._most, self._smallest, self._surety = frames, most, smallest, surety
        self._network, self._device = rgb.network(setting.device), setting.device
        self.dim = 1280

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`."""
        crops = [crop for frame in media.spread(self._frames) for crop in self._faces(frame)][: self._most]
        if not crops:
            return None
        features = [by_network.features_of(crop[None], rgb.prepared, self._network, self._device) for crop in crops]
        return Found(np.concatenate(features))

    def _faces(self, frame: np.ndarray) -> list[np.ndarray]:
        """The faces of a frame, with what is around them."""
        if min(frame.shape[:2]) < max(self._smallest, SIGHT):
            return []
        boxes, sureties = self._detector.detect(Image.fromarray(frame))
        if boxes is None:
            return []
        found = []
        height, width = frame.shape[:2]
        for (left, top, right, bottom), surety in zip(boxes, sureties, strict=True):
            x, y = MARGIN * (right - left), MARGIN * (bottom - top)
            rows = slice(max(0, round(top - y)), min(height, round(bottom + y)))
            columns = slice(max(0, round(left - x)), min(width, round(right + x)))
            crop = frame[rows, columns]
            if surety is not None and surety >= self._surety and crop.size:
                found.append(crop)
        return found
