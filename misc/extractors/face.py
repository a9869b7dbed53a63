"""The face expert: faces detected by MTCNN (Zhang et al., 2016, in facenet-pytorch) and described by the rgb network."""

import numpy as np
from PIL import Image

from misc.extractors import rgb
from misc.extractors.extractor import ExpertOutput, ExtractorContext, at_times
from misc.extractors.frame_extractor import encode_frames
from misc.extractors.pretrained.torchvision_import import ensure_torchvision, replace_missing_nms
from misc.video_reading.media import Media
from utils.optional_packages import require_package

MIN_INPUT = 12  # pixels, the input of the first network of the detector
MARGIN = 0.3  # share of the box of a face that is added on each side, to include the hair


class FaceExtractor:
    """Features (faces, 1280) of at most `most` faces, the largest of each frame first; None if there are no faces.

    A face has sides of at least `smallest` pixels, and the detector a confidence of at least `surety` (0 to 1).
    """

    aggregation = "avg"

    def __init__(
        self, *, frames: int = 6, most: int = 16, smallest: int = 20, surety: float = 0.95, context: ExtractorContext
    ):
        ensure_torchvision()
        library = require_package("facenet_pytorch")
        replace_missing_nms(library.models.utils.detect_face)
        self._detector = library.MTCNN(keep_all=True, min_face_size=smallest, device=context.device).eval()
        self._frames, self._max_faces, self._min_size, self._min_confidence = frames, most, smallest, surety
        self._network, self._device = rgb.load_network(context.device), context.device
        self.dim = 1280

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the features of the faces in a video."""
        frames = zip(media.select_frames(self._frames), media.select_times(self._frames), strict=True)
        crops = [(crop, time) for frame, time in frames for crop in self._crop_faces(frame)][: self._max_faces]
        if not crops:
            return None
        features = [encode_frames(crop[None], rgb.prepare, self._network, self._device) for crop, _ in crops]
        return ExpertOutput(np.concatenate(features), spans=at_times(np.array([time for _, time in crops])))

    def _crop_faces(self, frame: np.ndarray) -> list[np.ndarray]:
        """Return the faces of a frame with a margin."""
        if min(frame.shape[:2]) < max(self._min_size, MIN_INPUT):
            return []
        boxes, confidences = self._detector.detect(Image.fromarray(frame))
        if boxes is None:
            return []
        crops = []
        height, width = frame.shape[:2]
        for (left, top, right, bottom), confidence in zip(boxes, confidences, strict=True):
            x, y = MARGIN * (right - left), MARGIN * (bottom - top)
            rows = slice(max(0, round(top - y)), min(height, round(bottom + y)))
            columns = slice(max(0, round(left - x)), min(width, round(right + x)))
            crop = frame[rows, columns]
            if confidence is not None and confidence >= self._min_confidence and crop.size:
                crops.append(crop)
        return crops
