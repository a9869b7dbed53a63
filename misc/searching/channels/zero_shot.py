"""The channel of an image-text model, which compares the query with the frames that were embedded at extraction."""

import itertools

import numpy as np

from misc.extraction.collection_files import ZERO_SHOT_FILE
from misc.extraction.zero_shot_file import ZeroShotFile
from misc.searching.channels.channel import ChannelHit, Evidence
from misc.searching.channels.fused_result import FRAME
from misc.searching.collection import Collection
from utils.errors import InputError, count_text

NO_FRAMES = "no embedded frames, expected an extraction with --zero_shot MODEL"


class ZeroShotChannel:
    """The cosine of a query and the frames of each video; the score of a video is that of its best frame.

    The model is loaded by `load_model`, or by the first query.

    Raises:
        InputError: no frames were embedded, or their file is damaged.
    """

    name = "zero_shot"

    def __init__(self, collection: Collection):
        path = collection.folder / ZERO_SHOT_FILE
        if not path.exists():
            raise InputError(NO_FRAMES)
        self._collection, self._file = collection, ZeroShotFile(path)
        self._model = None

    def load_model(self, spec: str | None = None, device: str = "cpu") -> None:
        """Load the model by which frames were embedded, from `spec` (None: the name in the file).

        Raises:
            InputError: it cannot be loaded, or it has other weights.
        """
        from misc.extractors.image_text import build_image_text_model  # takes a while to import

        model = build_image_text_model(spec or self._file.model, device)
        if model.sha256 != self._file.sha256:
            found = f"'{model.spec}' has other weights ({model.sha256[:12]})"
            frames = f"frames were embedded by '{self._file.model}' ({self._file.sha256[:12]})"
            hint = f"misc/extract_experts.py --zero_shot {model.spec} embeds them again"
            raise InputError(f"image-text model {found}: {frames}, expected the same; {hint}")
        self._model = model

    def search(self, text: str, k: int) -> list[ChannelHit]:
        """Return at most k videos with the frames that are most similar to a query, the best first."""
        if self._model is None:
            self.load_model()
        if not self._file.videos:
            return []
        scores = self._file.score(self._model.embed_texts([text])[0])  # (N,)
        starts = self._file.starts
        best = np.maximum.reduceat(scores, starts[:-1])  # (V,)
        order = (row for row in np.argsort(-best, kind="stable") if self._file.videos[row] in self._collection)
        hits = []
        for row in itertools.islice(order, k):
            frame = int(scores[starts[row] : starts[row + 1]].argmax())
            time = float(self._file.times[starts[row] + frame])
            score = float(best[row])
            evidence = Evidence(FRAME, str(frame), probability=self._model.probability(score), times=[(time, time)])
            hits.append(ChannelHit(self._file.videos[row], score, [evidence]))
        return hits

    def describe(self) -> str:
        """Return the number of videos with embedded frames, and the model."""
        count = count_text(len(self._file.videos), "video")
        return f"{count_text(len(self._file.times), 'frame')} of {count} by {self._file.model} ({self._file.sha256[:12]})"

    def close(self) -> None:
        """Close the file."""
        self._file.close()
