"""What an index is, whatever keeps it: FAISS in a folder, or Milvus."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from misc.searching.about import About
from misc.searching.catalogue import Catalogue
from misc.searching.patterns import is_empty, merged, query_vectors, video_vectors
from model.similarity import TextEmbedding, VideoEmbedding


class Store(Protocol):
    """Vectors by pattern, and the videos they belong to. What is changed counts from `commit` on.

    Attributes:
        about: the model.
        videos: which there are.
        place: where it is, for messages.
        effort: how much more than usual an approximate index looks at; above `MAX_EFFORT` it looks at everything.
        waited: whether it was opened after waiting for another process, which was changing it.
        queries: those by which the effort is chosen (None: not known).
        keeps_queries: whether they are known when it is opened again.
    """

    about: About
    videos: Catalogue
    place: str
    effort: int
    waited: bool
    queries: TextEmbedding | None
    keeps_queries: bool

    def search(self, pattern: str, queries: np.ndarray, k: int, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the best of a pattern (that is not the empty one) for queries (T, width): scores and numbers, (T, n) both.

        At least k for each query, if there are as many (-1: none): where an approximate index finds fewer, all vectors are
        searched. Where scores are exact, all that are as good as the k-th.
        """

    def put(self, pattern: str, videos: Sequence[str], numbers: Sequence[int], vectors: np.ndarray | None) -> None:
        """Take vectors (N, width) of videos of a pattern, None for the empty one."""

    def drop(self, pattern: str, videos: Sequence[str], numbers: Sequence[int]) -> None:
        """Forget the vectors of videos of a pattern, which the catalogue has already."""

    def settle(self) -> None:
        """Give large patterns the structure of the index's kind, anew where too much was removed or added since."""

    def commit(self) -> None:
        """Make what was changed last."""

    def close(self) -> None:
        """Let go of files, locks and connections."""

    def size(self) -> int | None:
        """Its bytes on the disk, if it is known."""


def find(store: Store, queries: TextEmbedding, k: int, exact: bool = False) -> list[list[tuple[str, float]]]:
    """Return the best k videos for each of T queries, with their scores: those of `model.similarity.pairwise_similarity`.

    Equal scores are in the order of the videos.

    Args:
        exact: whether to search all vectors of an approximate index.
    """
    num_queries = len(queries.weights)
    parts = [(np.zeros((num_queries, 0), np.float32), np.zeros((num_queries, 0), np.int64))]
    for pattern, numbers in store.videos.by_pattern().items():
        if is_empty(pattern):
            first = np.tile(numbers[:k], (num_queries, 1))
            parts.append((np.zeros(first.shape, np.float32), first))
        else:
            vectors = query_vectors(queries, pattern, store.about.l2renorm)
            parts.append(store.search(pattern, vectors, min(k, len(numbers)), exact))
    return [[(store.videos.video(number), score) for number, score in row] for row in merged(parts, k)]


def add(
    store: Store,
    videos: Sequence[str],
    available: Sequence[str],
    embedding: VideoEmbedding,
    versions: Sequence[str] | None = None,
) -> None:
    """Take N videos, embedded, in place of those of the same names.

    Args:
        available: of each, a 0 or 1 for each of the M experts.
        versions: of each, what tells whether its experts have changed since.
    """
    remove(store, [video for video in videos if video in store.videos])
    numbers = store.videos.add(videos, available, versions)
    rows: dict[str, list[int]] = {}
    for row, has in enumerate(available):
        rows.setdefault(store.about.pattern(has), []).append(row)
    for pattern, chosen in rows.items():
        part = VideoEmbedding([x[chosen] for x in embedding.experts], embedding.available[chosen])
        vectors = None if is_empty(pattern) else video_vectors(part, pattern, store.about.l2renorm)
        store.put(pattern, [videos[row] for row in chosen], [numbers[row] for row in chosen], vectors)


def remove(store: Store, videos: Iterable[str]) -> None:
    """Drop videos that are there."""
    groups: dict[str, list[str]] = {}
    for video in videos:
        groups.setdefault(store.videos.pattern(video), []).append(video)
    for pattern, names in groups.items():
        numbers = [store.videos.numbers[video] for video in names]
        store.videos.remove(names)
        store.drop(pattern, names, numbers)
