"""The vectors of one pattern in FAISS: exact ("flat"), by cells ("ivf") or by a graph ("hnsw")."""

import math
from collections.abc import Sequence

import numpy as np

from misc.extractors.text import import_or_explain
from misc.searching.about import Kind

SMALL = 5000  # fewer vectors are searched one by one in a few milliseconds, exactly
NPROBE, EF_SEARCH = 8, 64  # times the effort of the search
NEIGHBOURS, EF_CONSTRUCTION = 32, 100


class FaissIndex:
    """Vectors with numbers, compared by their inner product.

    Args:
        kind: of `index`.
        index: of FAISS.
        numbers: those that count; in a graph others may still have a place.
    """

    def __init__(self, kind: Kind, index: object, numbers: Sequence[int] = ()):
        self.faiss = import_or_explain("faiss")
        self.kind = kind
        self.index = index
        self._numbers = set(map(int, numbers))
        self._selector: tuple | None = None  # of those that count, where others have a place

    @classmethod
    def empty(cls, dim: int) -> "FaissIndex":
        """An exact one without vectors."""
        faiss = import_or_explain("faiss")
        return cls("flat", faiss.IndexIDMap(faiss.IndexFlatIP(dim)))

    @property
    def stored(self) -> np.ndarray:
        """The numbers of all vectors that have a place."""
        if self.kind == "ivf":
            lists = self.index.invlists
            ids = [self.faiss.rev_swig_ptr(lists.get_ids(i), lists.list_size(i)) for i in range(self.index.nlist)]
            return np.concatenate([part.copy() for part in ids])
        return self.faiss.vector_to_array(self.index.id_map)

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, numbers: Sequence[int], vectors: np.ndarray) -> None:
        """Take vectors (N, dim)."""
        self.index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.array(numbers, np.int64))
        self._numbers.update(map(int, numbers))
        self._selector = None

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget vectors; a graph only keeps them from being found, for the ways to others lead over them."""
        self._numbers.difference_update(map(int, numbers))
        self._selector = None
        if self.kind != "hnsw":
            self.index.remove_ids(np.array(numbers, np.int64))

    def search(self, queries: np.ndarray, k: int, effort: int) -> tuple[np.ndarray, np.ndarray]:
        """See `misc.searching.store.Store.search`."""
        queries = np.ascontiguousarray(queries, np.float32)
        if self.kind != "flat":
            return self.index.search(queries, min(k, len(self)), params=self._parameters(effort))
        fetched = k
        while True:
            fetched = min(2 * fetched + 1, len(self))
            scores, numbers = self.index.search(queries, fetched)
            if fetched == len(self) or (scores[:, k - 1] > scores[:, -1]).all():  # none beyond is as good as the k-th
                return scores, numbers

    def settled(self, kind: Kind) -> "FaissIndex":
        """The same vectors in an index of `kind`."""
        flat = self.index.index
        vectors, numbers = flat.reconstruct_n(0, flat.ntotal), self.stored
        if kind == "ivf":
            cells = max(1, int(4 * math.sqrt(len(vectors))))
            index = self.faiss.IndexIVFFlat(self.faiss.IndexFlatIP(flat.d), flat.d, cells, self.faiss.METRIC_INNER_PRODUCT)
            index.cp.min_points_per_centroid, index.cp.max_points_per_centroid, index.cp.niter = 1, 64, 10
            index.train(vectors)
        else:
            graph = self.faiss.IndexHNSWFlat(flat.d, NEIGHBOURS, self.faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = EF_CONSTRUCTION
            index = self.faiss.IndexIDMap(graph)
        settled = FaissIndex(kind, index)
        settled.add(numbers, vectors)
        return settled

    def _parameters(self, effort: int) -> object:
        if self.kind == "ivf":
            return self.faiss.SearchParametersIVF(nprobe=min(NPROBE * effort, self.index.nlist))
        if len(self) == self.index.ntotal:
            return self.faiss.SearchParametersHNSW(efSearch=EF_SEARCH * effort)
        if self._selector is None:
            counts = np.array(sorted(self._numbers), np.int64)
            self._selector = (counts, self.faiss.IDSelectorBatch(counts))
        return self.faiss.SearchParametersHNSW(efSearch=EF_SEARCH * effort, sel=self._selector[1])
