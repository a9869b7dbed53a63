"""The items of a collection: its videos, the long ones in windows, with their features and words."""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from misc.extraction.moments import Moments
from misc.extractors import text_encoders
from misc.searching.collection import Batch, Collection
from misc.searching.extraction_record import read_record
from misc.searching.windows import Span, Windows, item_id, split_item
from utils.errors import InputError

MIN_OVERLAP = 1.0  # seconds of a word in a window
NO_MOMENTS = "extracted by an earlier version: results are whole videos; misc/extract_experts.py adds moments of long ones"

logger = logging.getLogger(__name__)


class CutCollection:
    """The items of a collection: its videos, the long ones in windows (None: all videos as a whole)."""

    def __init__(self, collection: Collection, windows: Windows | None):
        self._collection, self.windows = collection, windows
        self._encoder: text_encoders.TextEncoder | None = None

    def warn_of_missing_moments(self) -> None:
        """Log a warning if the collection was extracted by a version that did not store moments."""
        if self._collection.moments is None and read_record(self._collection.folder) is not None:
            logger.warning("%s: %s", self._collection.folder, NO_MOMENTS)

    def spans(self, video: str) -> list[Span]:
        """Return the windows of a video; none if it is one item."""
        if self.windows is None or self._collection.moments is None:
            return []
        length = self._collection.moments.lengths.get(video)
        return [] if length is None else self.windows.cut(length)

    def load_items(self, videos: Iterable[str], batch_size: int) -> Iterator[Batch]:
        """Yield batches of the items of videos, with their features. A window without any expert is left out."""
        items = (item for video in videos for item in self._read_items(video))
        while chunk := list(islice(items, batch_size)):
            yield self._collection.collate([item for item, _ in chunk], [row for _, row in chunk])

    def load_frames(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each item that has an expert, and the features of its frames, (T, dim)."""
        for video, features in self._collection.load_frames(name):
            if not self.spans(video):
                yield video, features
        for video in self._collection.ids:
            if (spans := self.spans(video)) and (found := self._collection.moments.read(video, name)) is not None:
                for span in spans:
                    if (chosen := find_inside(found, span)).any() and found.features is not None:
                        yield item_id(video, span), found.features[chosen]

    def get_words(self, item: str) -> dict[str, list[str]]:
        """Return the words that experts recognized in an item: expert -> words."""
        video, span = split_item(item)
        if span is None:
            return self._collection.get_words(video)
        return {name: [found.words[i] for i in chosen] for name, found, chosen in self._find_words(video, span)}

    def get_word_times(self, item: str) -> dict[str, list[Span]]:
        """Return start and end in seconds of each word of `get_words`, only for experts with known times."""
        video, span = split_item(item)
        if span is None:
            return self._collection.get_word_times(video)
        return {
            name: [(round(float(start), 2), round(float(end), 2)) for start, end in found.spans[chosen]]
            for name, found, chosen in self._find_words(video, span)
        }

    def get_word_numbers(self, item: str) -> dict[str, list[int]]:
        """Return the numbers of the words of a window among those of the whole video: expert -> numbers."""
        return {name: chosen.tolist() for name, _, chosen in self._find_words(*split_item(item))}

    def _find_words(self, video: str, span: Span) -> Iterator[tuple[str, Moments, np.ndarray]]:
        moments = self._collection.moments
        for name in moments.experts(video, words=True) if moments is not None else ():
            found = moments.read(video, name)
            if len(chosen := np.flatnonzero(find_words(found, span, moments.lengths[video]))):
                yield name, found, chosen

    def _read_items(self, video: str) -> Iterator[tuple[str, dict[str, np.ndarray | None]]]:
        spans, rows = self.spans(video), []
        if spans:
            by_expert = {name: self._read_windows(video, name, spans) for name in self._collection.moments.experts(video)}
            for i, span in enumerate(spans):
                row = self._collection.to_row(video, {name: features[i] for name, features in by_expert.items()})
                if any(x is not None for x in row.values()):
                    rows.append((item_id(video, span), row))
        yield from rows or [(video, self._collection.read_experts(video))]

    def _read_windows(self, video: str, name: str, spans: list[Span]) -> list[np.ndarray | None]:
        """Return the features of an expert in each window, (T, dim), None for a window without any."""
        if name not in self._collection.experts:
            return [None] * len(spans)
        found = self._collection.moments.read(video, name)
        if found.features is not None:
            chosen = (find_inside(found, span) for span in spans)
            return [found.features[x] if x.any() else None for x in chosen]
        length = self._collection.moments.lengths[video]
        chosen = (np.flatnonzero(find_words(found, span, length)) for span in spans)
        texts = [" ".join(found.words[i] for i in x) for x in chosen]
        vectors = iter(self._encode([text for text in texts if text]))
        encoded = [next(vectors) if text else None for text in texts]
        return [x if x is not None and len(x) else None for x in encoded]

    def _encode(self, texts: list[str]) -> list[np.ndarray]:
        """Return the vectors of recognized words by the text encoder of the extraction."""
        if texts and self._encoder is None:
            if (spec := self._collection.read_encoder_spec()) is None:
                folder = self._collection.folder
                raise InputError(f"{folder}: no extraction.json that names the text encoder of the words in its videos")
            self._encoder = text_encoders.build_text_encoder(spec, "cpu")
        return self._encoder(texts) if texts else []


def find_inside(moments: Moments, span: Span) -> np.ndarray:
    """Return which features have their middle in a window: (N,)."""
    middle = moments.spans.mean(axis=1)
    return (middle >= span[0]) & (middle < span[1])


def find_words(moments: Moments, span: Span, length: float) -> np.ndarray:
    """Return which words of a video of `length` seconds are in a window: (N,).

    A word is in a window that has at least half of it, or `MIN_OVERLAP` seconds: a spoken word at the edge of two windows
    is in the one that has more of it, and what is written in several frames in all windows from first to last.
    """
    starts, ends = moments.spans[:, 0], np.minimum(moments.spans[:, 1], length)
    overlap = np.minimum(ends, span[1]) - np.maximum(starts, span[0])
    return (starts < span[1]) & (ends >= span[0]) & (overlap >= np.minimum((ends - starts) / 2, MIN_OVERLAP))
