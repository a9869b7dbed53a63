"""The ocr expert: written words recognized by PP-OCR in rapidocr, which includes its models."""

import numpy as np

from misc.extractors.extractor import ExpertOutput, ExtractorContext, encode_words
from misc.extractors.frame_extractor import to_image
from misc.video_reading.media import Media
from utils.optional_packages import require_package

MIN_SIDE = 320  # pixels to which the shorter side of a smaller frame is enlarged
MIN_LETTERS = 2  # shorter words are usually strokes, not letters


class OcrExtractor:
    """Vectors (tokens, dim) of the words in the distinct lines of text; None if there are no words.

    Lines have a confidence of at least `surety` (0 to 1). The times of a word are those of the first and the last frame with
    its line.
    """

    aggregation = "vlad"

    def __init__(self, *, frames: int = 3, surety: float = 0.8, context: ExtractorContext):
        library = require_package("rapidocr")
        self._read = library.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.text_score": surety,
                "Global.use_cls": False,  # videos are rarely upside down
                "Det.limit_type": "min",
                "Det.limit_side_len": MIN_SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # there is a process per core
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._frames, self._context = frames, context
        self.dim = context.text_encoder.dim

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the words that are written in a video, and their vectors."""
        lines: dict[str, str] = {}
        times: dict[str, tuple[float, float]] = {}
        for frame, time in zip(media.select_frames(self._frames), media.select_times(self._frames), strict=True):
            image = np.asarray(to_image(frame))  # only the middle of a strip, which would be huge when enlarged
            for line in self._read(image[:, :, ::-1]).txts or ():  # it expects BGR
                key = line.casefold()
                lines.setdefault(key, line)
                times[key] = (times.get(key, (time, time))[0], time)
        words = [
            (word, times[key])
            for key, line in lines.items()
            for word in line.split()
            if sum(map(str.isalnum, word)) >= MIN_LETTERS
        ]
        return encode_words([word for word, _ in words], self._context, [time for _, time in words])
