"""The query bank of an index: captions of the training data, by which the scores of videos are corrected for hubs.

`model.querybank` has the method. The offset of a video depends only on the video and the bank, so it is stored with it, as
one more dimension of its vector: the inner product of [video, (offset - center) / SCALE] with [query, 0] is the similarity,
with [query, -SCALE] the normalized score plus `center`. The same exact or approximate index finds both. Approximate ones
connect videos by inner products with each other, in which offsets mean nothing: center and scale keep their part small.

The hubs depend on all videos: the bank keeps the best videos of each of its captions, and after a change of the index, they
are searched anew only for the captions that it concerns.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from base.schema import QuerybankSection
from misc.searching.index.patterns import from_rows, to_rows
from model.querybank import fit_bank
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity
from utils.errors import count_text

if TYPE_CHECKING:
    from misc.searching.index.vector_store import VectorStore

QUERY_BATCH = 256  # captions searched at a time
SCALE = 4.0
TOLERANCE = 1e-5  # between two computations of one score, which decides what is searched anew


class BankMetadata(QuerybankSection):
    """The method and the data set of a bank, as they are stored in the index."""

    dataset: str
    v2t_beta: float | None = None  # that of a search for captions (None: beta)

    def fits(self, beta: str) -> bool:
        """Return whether a bank that is requested with `beta` (see `trainer.build.with_querybank`) may be this one."""
        return self.choose_beta if beta == "val" else not beta or (not self.choose_beta and self.beta == float(beta))


class QueryBank:
    """B embedded captions and V embedded videos of the training data, and what follows from them for the indexed videos.

    Attributes:
        about: the method and the data set.
        texts, videos: the embeddings; videos are the bank of a search for captions.
        offsets: number of an indexed video -> what is subtracted from its scores.
        center: the mean of the offsets of the first videos.
    """

    def __init__(self, about: BankMetadata, texts: TextEmbedding, videos: VideoEmbedding):
        self.about, self.texts, self.videos = about, texts, videos
        self.offsets: dict[int, float] = {}
        self.center = 0.0
        self._best: list[np.ndarray] = [np.empty(0, np.int64)] * len(self)  # numbers of the best videos of each caption
        self._best_scores = np.full(len(self), -np.inf, np.float32)
        self._hubs: set[int] | None = None

    def __len__(self) -> int:
        return len(self.texts.weights)

    @property
    def description(self) -> str:
        """The captions, the method and the data set in words."""
        chosen = f" (chosen on validation; v2t {self.about.v2t_beta:g})" if self.about.v2t_beta else ""
        beta = "" if self.about.method == "csls" else f", beta {self.about.beta:g}{chosen}"
        return f"query bank of {count_text(len(self), 'caption')} of {self.about.dataset}, {self.about.method}{beta}"

    def add(self, numbers: Sequence[int], videos: VideoEmbedding, l2renorm: bool) -> np.ndarray:
        """Return the further dimension (N,) of the vectors of N videos that are added to the index with these numbers."""
        sims = pairwise_similarity(self.texts, videos, l2renorm).numpy()
        method = "csls" if self.about.method == "csls" else "inverted_softmax"  # the dynamic one has the same offsets
        offsets = fit_bank(sims, "t2v", method=method, beta=self.about.beta).offsets.astype(np.float32)
        if not self.offsets:
            self.center = float(offsets.mean())
        self.offsets.update(zip(numbers, offsets.tolist(), strict=True))
        self._best_scores[sims.max(axis=1) >= self._best_scores - TOLERANCE] = -np.inf
        return (offsets - self.center) / SCALE

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget videos that are removed from the index."""
        for number in numbers:
            del self.offsets[number]
        concerned = [np.isin(best, numbers).any() for best in self._best]
        self._best_scores[concerned] = -np.inf

    def update(self, store: VectorStore) -> None:
        """Search the best videos of the captions that a change of the index concerns."""
        if self.about.method != "dynamic":
            return
        concerned = np.flatnonzero(np.isneginf(self._best_scores))
        for rows in np.array_split(concerned, -(-len(concerned) // QUERY_BATCH) or 1):
            texts = TextEmbedding([x[rows] for x in self.texts.experts], self.texts.weights[rows])
            for row, (score, numbers) in zip(rows, store.find_best(texts), strict=True):
                self._best[row], self._best_scores[row] = numbers, score
        self._hubs = None

    def is_hub(self, numbers: Sequence[int]) -> bool:
        """Return whether one of some videos is the best one of a caption of the bank; always true without `dynamic`."""
        if self.about.method != "dynamic":
            return True
        if self._hubs is None:
            self._hubs = {int(number) for best in self._best for number in best}
        return not self._hubs.isdisjoint(map(int, numbers))

    def dump(self) -> bytes:
        """Return the embeddings, offsets and best videos as bytes."""
        content = io.BytesIO()
        for embedding in (self.texts, self.videos):
            np.save(content, to_rows(embedding), allow_pickle=False)
        np.save(content, np.array(list(self.offsets), np.int64))
        np.save(content, np.array(list(self.offsets.values()), np.float32))
        np.save(content, np.array(self.center))
        np.save(content, self._best_scores)
        np.save(content, np.array([len(best) for best in self._best], np.int64))
        np.save(content, np.concatenate(self._best))
        return content.getvalue()

    @classmethod
    def load(cls, file: BinaryIO, about: BankMetadata, dims: Sequence[int], numbers: Sequence[int]) -> QueryBank:
        """Read what `dump` has written, for an index whose embeddings have `dims` and whose videos have `numbers`.

        Raises:
            ValueError: it does not fit the index.
        """
        read = np.lib.format.read_array
        texts, videos = (from_rows(read(file, allow_pickle=False), dims, name) for name in ("captions", "videos"))
        bank = cls(about, TextEmbedding(*texts), VideoEmbedding(*videos))
        known, offsets, center, scores, counts, best = (read(file, allow_pickle=False) for _ in range(6))
        is_valid = len(bank) == len(scores) == len(counts) and known.tolist() == list(numbers) and len(known) == len(offsets)
        if not is_valid or counts.sum() != len(best) or (counts < 0).any() or not np.isin(best, known).all():
            raise ValueError("not the bank of these videos")
        bank.offsets = dict(zip(known.tolist(), offsets.tolist(), strict=True))
        bank.center = float(center)
        bank._best_scores, bank._best = scores, np.split(best, np.cumsum(counts)[:-1])
        return bank
