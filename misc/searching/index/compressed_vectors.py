"""Vectors of one byte per dimension, a quarter of their memory, and the exact scores of those that are among the best.

A dimension i of a vector v is stored as the integer c_i = round(v_i / step_i) from -127 to 127. A query q is rounded, too:
q_i step_i is about u r_i with an integer r_i from -63 to 63, so that <q, v> is about u <r, c>, a product of integers, which
processors compute several times as fast as one of floats. Vectors whose approximate score is close to the k-th best are
scored again with the exact vectors.

All products are of torch: threads of NumPy's BLAS wait in a loop after each of theirs, and slow down those of torch.
"""

import numpy as np

from misc.searching.index.exact_search import find_best

MAX_CODE = 127
MAX_QUERY_CODE = 63  # with more, processors without instructions for int8 limit sums of two products to 16 bits
DEVIATIONS = 6.0  # of the error of an approximate score within which a vector is scored exactly
MAX_RESCORED = 256  # vectors per query that are scored exactly, if k is not larger
CHUNK_BYTES = 1 << 21  # of exact vectors that are compressed or scored at a time


class CompressedVectors:
    """The compressed form of vectors (N, dim).

    Attributes:
        vectors: the exact vectors (N, dim), of which a search reads only those that it scores exactly.
    """

    def __init__(self, vectors: np.ndarray):
        self.vectors = vectors
        chunks = range(0, len(vectors), self._chunk_rows)
        highest = np.zeros(vectors.shape[1], np.float32)
        for start in chunks:
            highest = np.maximum(highest, np.abs(self._read_finite(start)).max(axis=0))
        self._steps = np.where(highest > 0, highest / MAX_CODE, 1).astype(np.float32)
        self._codes = np.empty(vectors.shape, np.int8)
        squares = np.zeros(vectors.shape[1])
        for start in chunks:
            part = np.rint(self._read_finite(start) / self._steps)
            squares += np.square(part).sum(axis=0, dtype=np.float64)
            self._codes[start : start + self._chunk_rows] = part
        self._mean_squares = squares / max(1, len(vectors))

    def _read_finite(self, start: int) -> np.ndarray:
        """Return a chunk of the exact vectors, with 0 for what is not finite."""
        return np.nan_to_num(self.vectors[start : start + self._chunk_rows], posinf=0.0, neginf=0.0)

    @property
    def _chunk_rows(self) -> int:
        return CHUNK_BYTES // (4 * max(1, self.vectors.shape[1])) + 1

    def search(self, queries: np.ndarray, k: int, lowest: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return exact scores (T, n) and positions (T, n) of vectors among which are most likely the best k.

        Scores descend, and equal ones are in the order of the positions. Position -1 with score -inf fills up rows. Vectors
        with scores below `lowest` (T,) may be missing (None: none are), and those with a score of NaN are.
        """
        scaled = queries * self._steps
        units = np.abs(scaled).max(axis=1, initial=0) / MAX_QUERY_CODE
        units = np.where(units > 0, units, 1).astype(np.float32)
        codes = np.rint(scaled / units[:, None]).astype(np.int8)
        # Variance of the rounding of the vectors, plus that of the query.
        variance = (np.square(scaled).sum(axis=1) + np.square(units) * self._mean_squares.sum()) / 12
        margin = DEVIATIONS * np.sqrt(variance) / units
        bounds = None if lowest is None else (lowest / units - margin).astype(np.float32)
        _, positions = find_best(self._codes, codes, k, bounds, 2 * margin)
        return self._score(queries, positions[:, : max(MAX_RESCORED, 4 * k)])

    def _score(self, queries: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the exact scores (T, n) of vectors at `positions` (T, n) and these positions, sorted."""
        rows, columns = np.nonzero(positions >= 0)
        found = positions[rows, columns]
        scores = np.full(positions.shape, -np.inf, np.float32)
        for start in range(0, len(found), self._chunk_rows):
            part = slice(start, start + self._chunk_rows)
            products = np.einsum("nd,nd->n", self.vectors[found[part]], queries[rows[part]])
            scores[rows[part], columns[part]] = products
        positions = np.where(np.isnan(scores), -1, positions)
        scores = np.where(positions < 0, -np.inf, scores)
        order = np.lexsort((positions, -scores))
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(positions, order, axis=1)
