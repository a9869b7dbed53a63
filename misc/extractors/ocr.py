"""Words that are seen: PP-OCR by rapidocr, whose models come inside the package."""

import numpy as np

from misc.extractors.extractor import Found, Media, Setting, described_by_words
from misc.extractors.frames import image_of
from misc.extractors.text import import_or_explain

SIDE = 320  # pixels to which the shorter side of a smaller frame is enlarged
LETTERS = 2  # fewer in a word are more often a stroke than a word


class Extractor:
    """The words in `frames` frames, each once, as the text encoder has them: (tokens, dim); None where none is read.

    Args:
        surety: of the recogniser, from 0 to 1, that a line is what it reads.
    """

    aggregation = "vlad"

    def __init__(self, *, frames: int = 3, surety: float = 0.8, setting: Setting):
        library = import_or_explain("rapidocr")
        self._read = library.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.text_score": surety,
                "Global.use_cls": False,  # videos are seldom upside down
                "Det.limit_type": "min",
                "Det.limit_side_len": SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # each process has a core
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._frames, self._setting = frames, setting
        self.dim = setting.text.dim

    def __call__(self, media: Media) -> Found | None:
        """See `Extractor`."""
        lines: dict[str, str] = {}
        for frame in media.spread(self._frames):
            image = np.asarray(image_of(frame))  # of a strip the middle: enlarged it would be huge
            for line in self._read(image[:, :, ::-1]).txts or ():  # it takes blue first
                lines.setdefault(line.casefold(), line)
        words = [word for word in " ".join(lines.values()).split() if sum(map(str.isalnum, word)) >= LETTERS]
        return described_by_words(words, self._setting)
