"""The vectors of one pattern in FAISS: exact ("flat"), by cells ("ivf") or by a graph ("hnsw")."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from misc.optional_packages import require_package
from misc.searching.about import Kind

SMALL = 5000  # fewer vectors are searched one by one in a few milliseconds, exactly
NPROBE, EF_SEARCH = 8, 64  # times the effort of the search
MAX_EFFORT = 64  # with more, all vectors are searched
CANDIDATES = 4  # vectors in the cells that are searched, on average, for each one that is asked for, at least
NEIGHBOURS, EF_CONSTRUCTION = 32, 100
CELLS = 4  # times the root of the number of vectors
MAX_REMOVED, MAX_GROWTH = 0.2, 2.0  # share and factor of the vectors for which cells or a graph were made


class FaissIndex:
    """Vectors with numbers, compared by their inner product.

    Args:
        kind: of `index`.
        index: of FAISS.
        numbers: those that count; in a graph others may still have a place.
    """

    def __init__(self, kind: Kind, index: object, numbers: Sequence[int] = ()):
        self.faiss = require_package("faiss")
        self.kind = kind
        self.index = index
        self._numbers = set(map(int, numbers))
        self._selectors: tuple | None = None  # of those that count, where others have a place

    @classmethod
    def empty(cls, dim: int) -> "FaissIndex":
        """An exact one without vectors."""
        faiss = require_package("faiss")
        return cls("flat", faiss.IndexIDMap(faiss.IndexFlatIP(dim)))

    @property
    def stored(self) -> np.ndarray:
        """The numbers of all vectors that have a place."""
        if self.kind == "ivf":
            lists = self.index.invlists
            return self._of_cells(lambda i, size: self.faiss.rev_swig_ptr(lists.get_ids(i), size), np.int64)
        return self.faiss.vector_to_array(self.index.id_map)

    def is_worn(self) -> bool:
        """Return whether so many vectors were removed or added since cells or a graph were made that these no longer fit."""
        if self.kind == "flat":
            return False
        made_for = (self.index.nlist / CELLS) ** 2 if self.kind == "ivf" else self.index.ntotal
        grown = self.kind == "ivf" and len(self) > MAX_GROWTH * made_for
        return grown or len(self) < (1 - MAX_REMOVED) * made_for

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, numbers: Sequence[int], vectors: np.ndarray) -> None:
        """Take vectors (N, dim)."""
        self.index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.array(numbers, np.int64))
        self._numbers.update(map(int, numbers))
        self._selectors = None

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget vectors; a graph only keeps them from being found, for the ways to others lead over them."""
        self._numbers.difference_update(map(int, numbers))
        self._selectors = None
        if self.kind != "hnsw":
            self.index.remove_ids(np.array(numbers, np.int64))

    def search(self, queries: np.ndarray, k: int, effort: int) -> tuple[np.ndarray, np.ndarray]:
        """Search as `misc.searching.store.Store.search` says, with an effort above `MAX_EFFORT` exactly.

        A query for which an approximate search finds fewer than k vectors is searched exactly, too.
        """
        queries, k = np.ascontiguousarray(queries, np.float32), min(k, len(self))
        if self.kind == "flat" or effort > MAX_EFFORT:
            return self._search_exactly(queries, k)
        scores, numbers = self.index.search(queries, k, params=self._parameters(effort, k))
        short = np.flatnonzero((numbers < 0).any(axis=1))
        if len(short):  # cells or ways are empty, or the graph falls apart
            exact_scores, exact_numbers = self._search_exactly(queries[short], k)
            more = ((0, 0), (0, exact_scores.shape[1] - k))  # for those that are as good as the k-th
            scores, numbers = np.pad(scores, more, constant_values=-np.inf), np.pad(numbers, more, constant_values=-1)
            scores[short], numbers[short] = exact_scores, exact_numbers
        return scores, numbers

    def settled(self, kind: Kind) -> "FaissIndex":
        """Return an index of `kind` that has only the vectors that count."""
        numbers, vectors = self._vectors()
        if kind == "flat":
            index = self.empty(self.index.d).index
        elif kind == "ivf":
            cells, dim = max(1, int(CELLS * math.sqrt(len(vectors)))), self.index.d
            index = self.faiss.IndexIVFFlat(self.faiss.IndexFlatIP(dim), dim, cells, self.faiss.METRIC_INNER_PRODUCT)
            index.cp.min_points_per_centroid, index.cp.max_points_per_centroid, index.cp.niter = 1, 64, 10
            index.train(vectors)
        else:
            graph = self.faiss.IndexHNSWFlat(self.index.d, NEIGHBOURS, self.faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = EF_CONSTRUCTION
            index = self.faiss.IndexIDMap(graph)
        settled = FaissIndex(kind, index)
        settled.add(numbers, vectors)
        return settled

    def _vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers (N,), ascending, and the vectors (N, dim) of those that count."""
        numbers = self.stored
        if self.kind == "ivf":
            lists, width = self.index.invlists, self.index.code_size
            codes = self._of_cells(lambda i, size: self.faiss.rev_swig_ptr(lists.get_codes(i), size * width), np.uint8)
            vectors = codes.view(np.float32).reshape(len(numbers), self.index.d)
        else:
            vectors = self._flat().reconstruct_n(0, len(numbers))
        order = np.argsort(numbers, kind="stable")
        order = order[np.isin(numbers[order], self._sorted_numbers())]
        return numbers[order], vectors[order]

    def _of_cells(self, read: Callable[[int, int], np.ndarray], kind: type) -> np.ndarray:
        """Return a copy of what FAISS holds for the cells, joined; `read` gets a cell and how many vectors are in it."""
        sizes = [(cell, self.index.invlists.list_size(cell)) for cell in range(self.index.nlist)]
        return np.concatenate([np.zeros(0, kind), *(read(cell, size).copy() for cell, size in sizes if size)])

    def _search_exactly(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best k of all vectors and those that are as good as the k-th."""
        fetched = k
        while True:
            fetched = min(2 * fetched + 1, len(self))
            scores, numbers = self._scan(queries, fetched)
            if fetched == len(self) or (scores[:, k - 1] > scores[:, -1]).all():  # none beyond is as good as the k-th
                return scores, numbers

    def _scan(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best k of all vectors."""
        if self.kind == "flat":
            return self.index.search(queries, k)
        if self.kind == "ivf":
            return self.index.search(queries, k, params=self.faiss.SearchParametersIVF(nprobe=self.index.nlist))
        parameters = self.faiss.SearchParameters(sel=self._selector(1)) if len(self) < self.index.ntotal else None
        scores, places = self._flat().search(queries, k, params=parameters)
        return scores, np.where(places < 0, -1, self.stored[places])

    def _flat(self) -> object:
        """Return the FAISS index that holds the vectors of a flat index or of a graph."""
        inner = self.faiss.downcast_index(self.index.index)
        return inner if self.kind == "flat" else self.faiss.downcast_index(inner.storage)

    def _sorted_numbers(self) -> np.ndarray:
        return np.array(sorted(self._numbers), np.int64)

    def _selector(self, of: int) -> object:
        """Return what tells FAISS which vectors of a graph count: by their numbers (0) or by their places (1)."""
        if self._selectors is None:
            numbers = self._sorted_numbers()
            places = np.flatnonzero(np.isin(self.stored, numbers))
            self._selectors = tuple(self.faiss.IDSelectorBatch(x) for x in (numbers, places))
        return self._selectors[of]

    def _parameters(self, effort: int, k: int) -> object:
        if self.kind == "ivf":
            enough = math.ceil(CANDIDATES * k * self.index.nlist / len(self))
            return self.faiss.SearchParametersIVF(nprobe=min(max(NPROBE * effort, enough), self.index.nlist))
        parameters = {"efSearch": min(max(EF_SEARCH * effort, 2 * k), self.index.ntotal)}
        if len(self) < self.index.ntotal:
            parameters["sel"] = self._selector(0)
        return self.faiss.SearchParametersHNSW(**parameters)
