"""The channel of an image-text model, which compares the query with the frames that were embedded at extraction."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from misc.extraction.collection_files import ZERO_SHOT_FILE
from misc.extraction.zero_shot_file import ZeroShotFile
from misc.searching.calibration import Calibration, keep_calibration, make_nonsense
from misc.searching.channels.channel import ChannelHit, Evidence
from misc.searching.channels.fused_result import FRAME
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.windows import MAX_MOMENTS, Moment, Windows
from utils.errors import InputError, count_text

CALIBRATION = "zero_shot.json"
NO_FRAMES = "no embedded frames, expected an extraction with --zero_shot MODEL"
NUM_NONSENSE = 100  # a large text encoder takes 0.1 seconds for each


class ZeroShotChannel:
    """The cosine of a query and the frames of each video; the score of a video is that of its best frame.

    The moments of a long video are the windows with the best frames. The model is loaded by `load_model`, or by the first
    query. How similar nonsense is to the frames is kept in the file `path` (None: it is measured for each channel).

    Raises:
        InputError: no frames were embedded, or their file is damaged.
    """

    name = "zero_shot"

    def __init__(self, collection: Collection, path: Path | None = None, windows: Windows | None = None):
        file = collection.folder / ZERO_SHOT_FILE
        if not file.exists():
            raise InputError(NO_FRAMES)
        self._collection, self._path, self._file = collection, path, ZeroShotFile(file)
        self._items = CutCollection(collection, windows)
        self._model = None
        self._calibration: Calibration | None = None

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
        best = np.maximum.reduceat(scores, self._file.starts[:-1])  # (V,)
        order = (row for row in np.argsort(-best, kind="stable") if self._file.videos[row] in self._collection)
        return [self._make_hit(row, scores) for row in itertools.islice(order, k)]

    def find_doubt(self, hits: Sequence[ChannelHit]) -> str | None:
        """Return why none of the hits of a query is believable: nonsense is as similar to some frame as to the best one."""
        if not hits:
            return "no video has embedded frames"
        if self._calibration is None:
            self._calibration = keep_calibration(self._path, self._file.state, self._measure_nonsense)
        if hits[0].score >= self._calibration.threshold:
            return None
        share = 100 - self._calibration.percentile(hits[0].score)
        return f"the best similarity, {hits[0].score:.3f}, is reached by {share:.0f} % of nonsense queries"

    def find_excluded(self, negatives: Sequence[str]) -> set[str]:
        """Return no video: a similarity does not tell that something is in a frame."""
        return set()

    def find_notes(self, text: str) -> list[str]:
        """Return a note on a query of which the model does not read the end."""
        return [] if self._model.reads_all(text) else [f"{self.name}: the model does not read the end of the query"]

    def describe(self) -> str:
        """Return the number of videos with embedded frames, and the model."""
        count = count_text(len(self._file.videos), "video")
        return f"{count_text(len(self._file.times), 'frame')} of {count} by {self._file.model} ({self._file.sha256[:12]})"

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _make_hit(self, row: int, scores: np.ndarray) -> ChannelHit:
        """Return a video of the file, given the scores of all frames (N,)."""
        video, part = self._file.videos[row], slice(self._file.starts[row], self._file.starts[row + 1])
        frame = int(scores[part].argmax())
        time, score = float(self._file.times[part][frame]), float(scores[part][frame])
        evidence = Evidence(FRAME, str(frame), probability=self._model.probability(score), times=[(time, time)])
        moments = self._find_moments(video, self._file.times[part], scores[part])
        return ChannelHit(video, score, [evidence], moments)

    def _find_moments(self, video: str, times: np.ndarray, scores: np.ndarray) -> list[Moment]:
        """Return the windows of a long video with the best frames, given times and scores of its frames (T,)."""
        moments = []
        for start, end in self._items.spans(video):
            inside = (times >= start) & (times < end)
            if inside.any():
                moments.append(Moment(start, end, float(scores[inside].max())))
        return sorted(moments, key=lambda moment: -moment.score)[:MAX_MOMENTS]

    def _measure_nonsense(self) -> tuple[np.ndarray, np.ndarray]:
        texts = self._model.embed_texts(make_nonsense(NUM_NONSENSE))
        return self._file.best_scores(texts).astype(np.float64), np.zeros(0)
