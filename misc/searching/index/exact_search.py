"""The best inner products of vectors with some queries, by matrix products of blocks whose scores stay in the cache."""

import numpy as np
import torch

BLOCK_BYTES = 1 << 20  # of scores
MAX_CANDIDATES = 1 << 16  # scores that are kept before all but the best are dropped


def find_best(
    vectors: np.ndarray, queries: np.ndarray, k: int, lowest: np.ndarray | None = None, margin: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (T, n) and positions (T, n) of the best k of N vectors, and of all others with the score of the k-th.

    Scores descend, and equal ones are in the order of the positions. Position -1 with score -inf fills up rows. Vectors with
    a score of NaN are left out.

    Args:
        vectors: (N, dim) float32, or int8.
        queries: (T, dim) of the same type.
        k: at least 1.
        lowest: the lowest scores of interest (T,) float32; vectors with lower ones are left out (None: none are).
        margin: (T,); vectors whose score is lower than the k-th by no more than this are included.
    """
    best = _Best(len(queries), k, lowest, margin)
    rows = BLOCK_BYTES // (4 * max(1, len(queries))) + 1
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows]
        if vectors.dtype == np.int8:
            scores = torch._int_mm(torch.from_numpy(block), torch.from_numpy(queries).T)  # the only product of int8 in torch
            best.add(scores.to(torch.float32).numpy(), start)
        elif len(queries) == 1:  # torch multiplies by a vector in one thread
            best.add((block @ queries[0])[:, None], start)
        else:
            best.add((torch.from_numpy(block) @ torch.from_numpy(queries).T).numpy(), start)
    return best.finish()


class _Best:
    """The scores that may be among the best k of T queries."""

    def __init__(self, num_queries: int, k: int, lowest: np.ndarray | None, margin: np.ndarray | float):
        self._num_queries, self._k, self._size = num_queries, k, 0
        self._margin = np.full(num_queries, margin, np.float32)
        self._is_bounded = lowest is not None and bool((lowest > -np.inf).all())
        self._lowest = np.full(num_queries, -np.inf, np.float32) if lowest is None else lowest
        # Query, position and score of each candidate.
        self._parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]

    def add(self, scores: np.ndarray, start: int) -> None:
        """Add the scores (n, T) of the vectors from position `start`."""
        if not self._is_bounded and len(scores) >= self._k:  # otherwise all scores of the first block were candidates
            kth = -np.partition(np.nan_to_num(-scores.T, nan=np.inf), self._k - 1)[:, self._k - 1]
            self._lowest, self._is_bounded = np.maximum(self._lowest, kth - self._margin), True
        found = np.flatnonzero(scores >= self._lowest)  # faster than the nonzero of a matrix
        if len(found):
            rows, queries = np.divmod(found, scores.shape[1])
            self._parts.append((queries, rows + start, scores[rows, queries]))
            self._size += len(found)
        if self._size > max(MAX_CANDIDATES, 2 * self._k * self._num_queries):
            self._drop()

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Return scores (T, n) and positions (T, n), see `find_best`."""
        self._drop()
        ((queries, positions, values),) = self._parts
        counts = np.bincount(queries, minlength=self._num_queries)
        columns = np.arange(len(queries)) - np.repeat(counts.cumsum() - counts, counts)
        shape = self._num_queries, int(counts.max(initial=0))
        all_scores, all_positions = np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64)
        all_scores[queries, columns], all_positions[queries, columns] = values, positions
        return all_scores, all_positions

    def _drop(self) -> None:
        """Sort the candidates by query, score and position, and drop those below the k-th of their query and the margin."""
        queries, positions, values = (np.concatenate(x) for x in zip(*self._parts, strict=True))
        order = np.lexsort((positions, -values, queries))
        queries, positions, values = queries[order], positions[order], values[order]
        counts = np.bincount(queries, minlength=self._num_queries)
        kth, has_kth = counts.cumsum() - counts + self._k - 1, counts >= self._k
        self._lowest = self._lowest.copy()
        self._lowest[has_kth] = np.maximum(self._lowest[has_kth], values[kth[has_kth]] - self._margin[has_kth])
        kept = values >= self._lowest[queries]
        self._parts, self._size = [(queries[kept], positions[kept], values[kept])], int(kept.sum())
