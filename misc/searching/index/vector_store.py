"""The interface of an index, which is stored in FAISS files or in Milvus, and its location."""

import abc
import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from misc.searching.index.metadata import IndexedVideos, IndexMetadata
from misc.searching.index.patterns import append_column, is_empty, merge_candidates, query_vectors, video_vectors
from misc.searching.index.query_bank import SCALE, QueryBank
from misc.searching.windows import MAX_MOMENTS, Moment, as_moments, video_of
from model.similarity import TextEmbedding, VideoEmbedding
from utils.errors import InputError
from utils.files import wait_for_lock

LOCK = ".lock"


class FoundVideo(NamedTuple):
    """A video that was found: its best item, the scores of that, and the best windows of a long video."""

    video: str
    item: str
    score: float
    normalized: float | None  # the score after the correction by a query bank (None: not corrected)
    moments: list[Moment]


class VectorStore(abc.ABC):
    """The vectors of videos, and of windows of long videos, by pattern. Changes take effect with `commit`.

    What is added, searched and removed by its id is an item: a video, or a window of one, see `misc.searching.windows`.

    Attributes:
        metadata: the model that embedded the videos.
        videos: the videos of the index.
        source: description of the location, for messages.
        effort: factor of the part of an approximate index that is searched; above `MAX_EFFORT`, all of it is searched.
        waited: True if it was opened after waiting for another process that was changing it.
        queries: the queries by which the effort is chosen (None: unknown).
        keeps_queries: True if the queries are stored with the index.
        bank: the query bank that corrects scores (None: none); set before the first video is added.
    """

    metadata: IndexMetadata
    videos: IndexedVideos
    keeps_queries: bool

    def __init__(self, source: str):
        self.source, self.effort, self.waited = source, 1, False
        self.queries: TextEmbedding | None = None
        self.bank: QueryBank | None = None
        self._resources = contextlib.ExitStack()

    def search(
        self, queries: TextEmbedding, k: int, exact: bool = False, corrected: bool = False
    ) -> list[list[tuple[str, float]]]:
        """Return the ids and scores of the best k videos for each of T queries.

        Scores are those of `model.similarity.pairwise_similarity`. Videos with equal scores are in the order of the index.
        With `exact`, all vectors of an approximate index are searched. With `corrected`, scores are normalized by the query
        bank, whether it corrects the query or not.
        """
        best = merge_candidates(self._find_candidates(queries, k, exact, corrected), k)
        return [[(self.videos.id_of(number), score) for number, score in row] for row in best]

    def search_with_bank(self, query: TextEmbedding, k: int) -> list[tuple[str, float, float | None]]:
        """Return ids, similarities and normalized scores of the best k videos for one query, by their normalized scores.

        If the query bank does not correct the query, they are the videos of `search`, and normalized scores are None.
        """
        candidates = self._find_candidates(query, k)
        if not self.bank.is_hub(_find_maxima(candidates)[0][1]):
            return [(self.videos.id_of(number), score, None) for number, score in merge_candidates(candidates, k)[0]]
        (best,) = self.search(query, k, corrected=True)
        offsets = [self.bank.offsets[self.videos.numbers[video]] for video, _ in best]
        return [(video, score + offset, score) for (video, score), offset in zip(best, offsets, strict=True)]

    def search_videos(self, query: TextEmbedding, k: int, with_bank: bool = False) -> list[FoundVideo]:
        """Return the best k videos for one query: the score of a video is that of its best item.

        With `with_bank`, items are those of `search_with_bank`, where there is a query bank.
        """
        num_videos = self.videos.num_videos
        limit = MAX_MOMENTS * k if num_videos < len(self.videos) else k
        while True:
            if with_bank and self.bank is not None:
                found = self.search_with_bank(query, limit)
            else:
                found = [(item, score, None) for item, score in self.search(query, limit)[0]]
            by_video: dict[str, list[tuple[str, float, float | None]]] = {}
            for hit in found:
                by_video.setdefault(video_of(hit[0]), []).append(hit)
            if len(by_video) >= min(k, num_videos) or limit >= len(self.videos):
                break
            limit *= 4  # windows of a few videos are ahead of all others
        return [
            FoundVideo(video, *hits[0], as_moments((item, score) for item, score, _ in hits))
            for video, hits in list(by_video.items())[:k]
        ]

    def find_best(self, queries: TextEmbedding) -> list[tuple[float, np.ndarray]]:
        """Return the highest score of each query and the numbers of all videos that have it.

        Of videos without any expert, which all score 0, only the first is included.
        """
        return _find_maxima(self._find_candidates(queries, 1))

    def _find_candidates(
        self, queries: TextEmbedding, k: int, exact: bool = False, corrected: bool = False
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return scores and numbers (T, n) of the best videos of each pattern; normalized scores if they are `corrected`."""
        num_queries = len(queries.weights)
        candidates = [(np.zeros((num_queries, 0), np.float32), np.zeros((num_queries, 0), np.int64))]
        lowest = np.full(num_queries, -np.inf, np.float32)
        for pattern, numbers in sorted(self.videos.by_pattern().items(), key=lambda x: -len(x[1])):  # for a high `lowest`
            if is_empty(pattern):
                first = np.tile(numbers[:k], (num_queries, 1))
                candidates.append((np.zeros(first.shape, np.float32), first))
            else:
                vectors = query_vectors(queries, pattern, self.metadata.l2renorm)
                if self.bank is not None:
                    vectors = append_column(vectors, -SCALE if corrected else 0.0)
                scores, found = self._search_pattern(pattern, vectors, min(k, len(numbers)), exact, lowest)
                if scores.shape[1] >= k:
                    lowest = np.maximum(lowest, scores[:, k - 1])
                candidates.append((scores - self.bank.center if corrected else scores, found))
        return candidates

    def add(
        self, ids: Sequence[str], available: Sequence[str], embedding: VideoEmbedding, versions: Sequence[str] = ()
    ) -> None:
        """Add N embedded videos, which replace videos with the same ids.

        Each has an availability of the M experts, such as "101", and a version of its features if these are known.
        """
        self.remove(video for video in ids if video in self.videos)
        numbers = self.videos.add(ids, available, versions)
        column = None if self.bank is None else self.bank.add(numbers, embedding, self.metadata.l2renorm)
        rows_by_pattern: dict[str, list[int]] = {}
        for row, bits in enumerate(available):
            rows_by_pattern.setdefault(self.metadata.pattern(bits), []).append(row)
        for pattern, rows in rows_by_pattern.items():
            subset = VideoEmbedding([x[rows] for x in embedding.experts], embedding.available[rows])
            vectors = None if is_empty(pattern) else video_vectors(subset, pattern, self.metadata.l2renorm)
            if vectors is not None and column is not None:
                vectors = append_column(vectors, column[rows])
            self._insert(pattern, [ids[row] for row in rows], [numbers[row] for row in rows], vectors)

    def remove(self, videos: Iterable[str]) -> None:
        """Remove videos."""
        ids_by_pattern: dict[str, list[str]] = {}
        for video in videos:
            pattern = self.metadata.pattern(self.videos.available_of(video))
            ids_by_pattern.setdefault(pattern, []).append(video)
        for pattern, ids in ids_by_pattern.items():
            numbers = [self.videos.numbers[video] for video in ids]
            self.videos.remove(ids)
            if self.bank is not None:
                self.bank.remove(numbers)
            self._delete(pattern, ids, numbers)

    def close(self) -> None:
        """Release files, locks and connections."""
        self._resources.close()

    @abc.abstractmethod
    def optimize(self) -> None:
        """Convert large patterns to the kind of the index, and rebuild those that have changed too much."""

    @abc.abstractmethod
    def commit(self) -> None:
        """Write all changes."""

    @abc.abstractmethod
    def size(self) -> int | None:
        """Return its bytes on disk (None: unknown)."""

    @abc.abstractmethod
    def _search_pattern(
        self, pattern: str, queries: np.ndarray, k: int, exact: bool, lowest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return scores (T, n) and numbers (T, n) of the best videos of a non-empty pattern for query vectors (T, dim).

        Scores descend. There are at least k for each query if the pattern has as many (number -1 fills up rows): if an
        approximate index finds fewer, all vectors are searched. An exact search includes all videos with the score of the
        k-th. Only scores below `lowest` (T,) may be missing.
        """

    @abc.abstractmethod
    def _insert(self, pattern: str, videos: Sequence[str], numbers: Sequence[int], vectors: np.ndarray | None) -> None:
        """Insert the vectors (N, dim) of videos of a pattern, None for the empty pattern."""

    @abc.abstractmethod
    def _delete(self, pattern: str, videos: Sequence[str], numbers: Sequence[int]) -> None:
        """Delete the vectors of videos of a pattern, which `videos` no longer has."""


def _find_maxima(candidates: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[tuple[float, np.ndarray]]:
    """Return the highest score of each query, and the numbers of all candidates that have it; 0 without candidates."""
    scores, numbers = (np.concatenate(x, axis=1) for x in zip(*candidates, strict=True))
    scores = np.where(numbers >= 0, scores, -np.inf)
    if not scores.shape[1]:
        return [(0.0, np.empty(0, np.int64))] * len(scores)
    highest = scores.max(axis=1)
    return [(float(best), row[values == best]) for best, row, values in zip(highest, numbers, scores, strict=True)]


def lock_index(folder: Path) -> contextlib.AbstractContextManager[bool]:
    """Let one process at a time change the index of a folder, which is created; the context is True after a wait."""
    folder.mkdir(parents=True, exist_ok=True)
    return wait_for_lock(folder / LOCK, str(folder))


@dataclasses.dataclass(frozen=True)
class IndexLocation:
    """The location of a collection and its index."""

    name: str
    data_dir: Path | None = None  # default: data/<name>
    index_dir: Path | None = None  # default: <data_dir>/index
    uri: str | None = None  # server or local file of Milvus; default: FAISS files in the folder of the index

    @property
    def folder(self) -> Path:
        """The folder of the collection."""
        return self.data_dir or Path("data") / self.name

    @property
    def index_folder(self) -> Path:
        """The folder of the index; for Milvus, the folder of the lock."""
        return self.index_dir or self.folder / "index"

    def has_index(self) -> bool:
        """Return whether there is an index; raise an InputError if Milvus cannot be reached."""
        from misc.searching.index.faiss_store import FaissStore
        from misc.searching.index.milvus_store import MilvusStore

        return FaissStore.exists(self.index_folder) if self.uri is None else MilvusStore.exists(self.uri, self.name)

    def open(self, metadata: IndexMetadata | None = None, writing: bool = False) -> VectorStore:
        """Open the index; with `metadata`, a new one that replaces the existing one when it is committed.

        Raises:
            InputError: the index is missing, damaged, or belongs to another collection.
        """
        from misc.searching.index.faiss_store import FaissStore
        from misc.searching.index.milvus_store import MilvusStore

        if self.uri is None:
            store = FaissStore(self.index_folder, metadata, writing)
        else:
            store = MilvusStore(self.uri, self.name, self.index_folder, metadata, writing)
        if store.metadata.collection != self.name:
            store.close()
            raise InputError(f"{store.source}: an index of {store.metadata.collection}, expected one of {self.name}")
        return store
