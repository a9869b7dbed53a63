"""The experts and captions of the videos of a split, read from the store when they are asked for."""

import logging
from collections.abc import Sequence

import numpy as np

from data_loader.store import FeatureTable
from utils.errors import InputError, count_text

logger = logging.getLogger(__name__)


class Features:
    """One expert of V videos: `features[v]` is (T, dim) or (dim,) float32, or None where it is missing.

    Args:
        table: of the expert's file.
        items: (V,), the item of each video (-1: none).
        sequence: whether a video has frames, or one vector.

    Attributes:
        available: (V,) booleans.
    """

    def __init__(self, table: FeatureTable, items: np.ndarray, sequence: bool):
        self._table = table
        self._items = items
        self._sequence = sequence
        self.available = (items >= 0) & (table.first[items] < table.first[items + 1])

    def hide(self, missing: np.ndarray) -> None:
        """Count the expert as missing where `missing`, (V,) booleans, says so."""
        self.available &= ~missing

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> np.ndarray | None:
        return self.get(index)

    def get(self, index: int, most: int | None = None) -> np.ndarray | None:
        """The expert of a video, with no more than `most` frames."""
        if not self.available[index]:
            return None
        x = self._table.read(self._table.first[self._items[index]], most)
        return x if self._sequence else x[0]


class Texts:
    """The captions of V videos as text alone, those without a word too.

    Args:
        table: of the texts.
        items: (V,), the item of each video (-1: none).
    """

    def __init__(self, table: FeatureTable, items: np.ndarray):
        self._table = table
        self._items = items

    def __getitem__(self, index: int) -> list[str]:
        item = self._items[index]
        spans = range(self._table.first[item], self._table.first[item + 1]) if item >= 0 else ()
        return [_decoded(self._table.read(span)) for span in spans]


def caption_id(video: str, number: int | None) -> str:
    """Return the name of caption `number` of a video, or of all its captions together (None)."""
    return video if number is None else f"{video}#{number}"


class Captions:
    """The captions of V videos, those without a word left out.

    Args:
        vectors: the table of word vectors.
        items: (V,), the item of each video.
        raw, raw_items: the same for texts, or None.
        ids: the names of the videos.
        chosen: of each video, the one caption to use (None: all).
        fuse: join the captions of a video to one.
        most: no more than so many captions a video.

    Raises:
        InputError: a video has no caption with a word.
    """

    def __init__(
        self,
        vectors: FeatureTable,
        items: np.ndarray,
        raw: FeatureTable | None,
        raw_items: np.ndarray | None,
        ids: Sequence[str],
        chosen: Sequence[int] | None = None,
        fuse: bool = False,
        most: int | None = None,
    ):
        self._vectors, self._raw = vectors, raw
        self._groups: list[list[np.ndarray]] = []  # of each video, of each caption: its spans in the table of vectors
        self._first = None if fuse else vectors.first[items]  # (V,), the span of the first caption in the file
        self._raw_shift: list[int | None] = []  # from these to the spans of the texts
        left_out, without_text = 0, []
        for v, (video, item) in enumerate(zip(ids, items, strict=True)):
            spans = np.arange(vectors.first[item], vectors.first[item + 1])
            shift = None
            if raw is not None:
                first, last = (raw.first[raw_items[v]], raw.first[raw_items[v] + 1]) if raw_items[v] >= 0 else (0, 0)
                if last - first == len(spans):
                    shift = int(first - vectors.first[item])
                else:
                    without_text.append(f"'{video}' has {last - first} of {len(spans)}")
            if chosen is not None:
                spans = spans[chosen[v] : chosen[v] + 1]
            kept = spans[vectors.lengths[spans] > 0]
            if not len(kept):
                raise InputError(f"{vectors.source}: no caption of video '{video}' has a word, expected at least one")
            left_out += len(spans) - len(kept)
            self._groups.append([kept] if fuse else [kept[k : k + 1] for k in range(len(kept))][:most])
            self._raw_shift.append(shift)
        if left_out:
            logger.warning("%s: left out: %s without a word", vectors.source, count_text(left_out, "caption"))
        if without_text:
            problem = f"for {len(without_text)} of {len(ids)} videos, first {without_text[0]}"
            logger.warning("%s: not as many texts as captions %s; theirs are left out", raw.source, problem)

    def __len__(self) -> int:
        return len(self._groups)

    def count(self, index: int) -> int:
        """How many captions a video has."""
        return len(self._groups[index])

    def number(self, index: int, k: int) -> int | None:
        """Return the position of caption k of a video among all its captions in the file, from 0 (None: it is fused)."""
        return None if self._first is None else int(self._groups[index][k][0] - self._first[index])

    def vectors(self, index: int, k: int, most: int | None = None) -> np.ndarray:
        """Caption k of a video: (words, text_dim) float32, no more than `most` words."""
        spans, parts, length = self._groups[index][k], [], 0
        for span in spans:
            parts.append(self._vectors.read(span, None if most is None else most - length))
            length += len(parts[-1])
            if length == most:
                break
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def text(self, index: int, k: int) -> str:
        """Caption k of a video as text, "" if it is not known."""
        shift = self._raw_shift[index]
        if shift is None:
            return ""
        return " ".join(_decoded(self._raw.read(span + shift)) for span in self._groups[index][k])


def _decoded(text: np.ndarray) -> str:
    """A text as it was before `data_loader.encoding.TextEncoder`."""
    return text.tobytes().decode("utf-8", "surrogateescape")
