"""The vectors of one pattern in FAISS: exact ("flat"), in cells ("ivf") or in a graph ("hnsw").

An index of kind "sq8" is a flat one in its file, which is searched in a compressed copy.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from misc.searching.choices import IndexKind
from misc.searching.index.compressed_vectors import CompressedVectors
from misc.searching.index.exact_search import find_best
from misc.searching.index.patterns import search_with_ties
from utils.errors import InputError, one_line
from utils.optional_packages import require_package

MIN_APPROXIMATE = 5000  # fewer vectors are searched exactly, in a few milliseconds
NPROBE, EF_SEARCH = 8, 64  # at effort 1
MAX_EFFORT = 64  # above it, all vectors are searched
CANDIDATES = 4  # minimum number of vectors in the searched cells per requested one, on average
HNSW_M, EF_CONSTRUCTION = 32, 36
CELLS = 4  # times the square root of the number of vectors
MAX_REMOVED, MAX_GROWTH = 0.2, 2.0  # share and factor of the vectors that cells or a graph were made for


class FaissIndex:
    """Numbered vectors, compared by their inner product.

    Attributes:
        kind: kind of the FAISS index.
        index: the FAISS index that holds the vectors with the valid `numbers`; a graph may still hold removed ones.
        file: description of the file with the same vectors (None: not saved since the last change).
    """

    def __init__(self, kind: IndexKind, index: object, numbers: Sequence[int] = (), file: object | None = None):
        self.faiss = require_package("faiss")
        self.kind, self.index, self.file = kind, index, file
        self._numbers = np.unique(np.asarray(numbers, np.int64))  # ascending
        self._selectors: tuple | None = None  # of the valid vectors of a graph
        self._compressed: CompressedVectors | None = None

    @classmethod
    def empty(cls, dim: int) -> "FaissIndex":
        """Return an exact index without vectors."""
        faiss = require_package("faiss")
        return cls("flat", faiss.IndexIDMap(faiss.IndexFlatIP(dim)))

    @property
    def stored_numbers(self) -> np.ndarray:
        """The numbers of all stored vectors, valid or removed."""
        return self._read_cells()[0] if self.kind == "ivf" else self.faiss.vector_to_array(self.index.id_map)

    def is_outdated(self) -> bool:
        """Return whether too many vectors were removed or added since the cells or the graph were made."""
        if self.kind == "flat":
            return False
        made_for = (self.index.nlist / CELLS) ** 2 if self.kind == "ivf" else self.index.ntotal
        has_grown = self.kind == "ivf" and len(self) > MAX_GROWTH * made_for
        return has_grown or len(self) < (1 - MAX_REMOVED) * made_for

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, numbers: Sequence[int], vectors: np.ndarray) -> None:
        """Add vectors (N, dim)."""
        self.index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.array(numbers, np.int64))
        self._numbers = np.union1d(self._numbers, np.asarray(numbers, np.int64))
        self._selectors = self._compressed = self.file = None

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove vectors; a graph keeps them but does not return them, since paths to other vectors lead through them."""
        self._numbers = np.setdiff1d(self._numbers, numbers, assume_unique=True)
        self._selectors = self._compressed = self.file = None
        if self.kind != "hnsw":
            self.index.remove_ids(np.array(numbers, np.int64))

    def compress(self, path: Path | None = None) -> None:
        """Search a flat index in a compressed copy of its vectors, until it changes.

        With `path`, the file of the index, the exact vectors are read from there when they are needed, and are not kept in
        memory. Then the index must not change: FAISS would abort the process.

        Raises:
            InputError: the file is gone.
        """
        self._compressed = CompressedVectors(self._flat_vectors())
        if path is not None:
            try:
                self.index = self.faiss.read_index(str(path), self.faiss.IO_FLAG_MMAP_IFC)
            except RuntimeError as error:  # another process has replaced it
                raise InputError(f"{path}: cannot be read ({one_line(str(error))[:100]})") from None
            self._compressed.vectors = self._flat_vectors()

    def search(
        self, queries: np.ndarray, k: int, effort: int, lowest: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and numbers (T, n) of the best k vectors, of all vectors with the k-th score if the search is exact.

        The search is exact if the effort is above `MAX_EFFORT`, and for queries for which an approximate search finds fewer
        than k vectors. Number -1 fills up rows. A flat index leaves out scores below `lowest` (T,) (None: it does not).
        """
        queries, k = np.ascontiguousarray(queries, np.float32), min(k, len(self))
        if self.kind == "flat":
            if self._compressed is None or effort > MAX_EFFORT:
                scores, positions = find_best(self._flat_vectors(), queries, k, lowest)
            else:
                scores, positions = self._compressed.search(queries, k, lowest)
            return scores, np.where(positions < 0, -1, self._flat_numbers()[positions])
        if effort > MAX_EFFORT:
            return search_with_ties(lambda limit: self._scan(queries, limit), k, len(self))
        scores, numbers = self.index.search(queries, k, params=self._search_parameters(effort, k))
        short = np.flatnonzero((numbers < 0).any(axis=1))
        if len(short):  # empty cells, or a graph that is not connected
            exact_scores, exact_numbers = search_with_ties(lambda limit: self._scan(queries[short], limit), k, len(self))
            padding = ((0, 0), (0, exact_scores.shape[1] - k))  # room for vectors that score as high as the k-th
            scores, numbers = np.pad(scores, padding, constant_values=-np.inf), np.pad(numbers, padding, constant_values=-1)
            scores[short], numbers[short] = exact_scores, exact_numbers
        return scores, numbers

    def convert(self, kind: IndexKind) -> "FaissIndex":
        """Return a new index of `kind` with the valid vectors."""
        numbers, vectors = self._valid_vectors()
        dim = self.index.d
        if kind == "flat":
            index = self.empty(dim).index
        elif kind == "ivf":
            cells = max(1, int(CELLS * math.sqrt(len(vectors))))
            index = self.faiss.IndexIVFFlat(self.faiss.IndexFlatIP(dim), dim, cells, self.faiss.METRIC_INNER_PRODUCT)
            index.cp.min_points_per_centroid, index.cp.max_points_per_centroid, index.cp.niter = 1, 64, 10
            index.train(vectors)
        else:
            graph = self.faiss.IndexHNSWFlat(dim, HNSW_M, self.faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = EF_CONSTRUCTION
            index = self.faiss.IndexIDMap(graph)
        converted = FaissIndex(kind, index)
        converted.add(numbers, vectors)
        return converted

    def _valid_vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers (N,), ascending, and the vectors (N, dim) of all valid vectors."""
        if self.kind == "ivf":
            numbers, codes = self._read_cells()
            vectors = codes.view(np.float32)
        else:
            numbers = self.stored_numbers
            vectors = self._flat_index().reconstruct_n(0, len(numbers))
        numbers, rows, _ = np.intersect1d(numbers, self._numbers, assume_unique=True, return_indices=True)
        return numbers, vectors[rows]

    def _read_cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers (N,) and the codes (N, bytes) in all cells."""
        from faiss.contrib.inspect_tools import get_invlist

        cells = [get_invlist(self.index.invlists, cell) for cell in range(self.index.nlist)]
        numbers, codes = zip(*cells, strict=True)
        return np.concatenate(numbers), np.concatenate(codes)

    def _scan(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best k of all vectors of an approximate index."""
        if self.kind == "ivf":
            return self.index.search(queries, k, params=self.faiss.SearchParametersIVF(nprobe=self.index.nlist))
        parameters = self.faiss.SearchParameters(sel=self._valid_selectors()[1]) if len(self) < self.index.ntotal else None
        scores, positions = self._flat_index().search(queries, k, params=parameters)
        return scores, np.where(positions < 0, -1, self.stored_numbers[positions])

    def _flat_vectors(self) -> np.ndarray:
        """Return a view of the vectors (N, dim) of a flat index."""
        vectors = self._flat_index().get_xb()
        return self.faiss.rev_swig_ptr(vectors, self.index.ntotal * self.index.d).reshape(-1, self.index.d)

    def _flat_numbers(self) -> np.ndarray:
        """Return a view of the numbers (N,) of the vectors of a flat index."""
        return self.faiss.rev_swig_ptr(self.index.id_map.data(), self.index.ntotal)

    def _flat_index(self) -> object:
        """Return the FAISS index that holds the vectors of a flat index or of a graph."""
        inner = self.faiss.downcast_index(self.index.index)
        return inner if self.kind == "flat" else self.faiss.downcast_index(inner.storage)

    def _valid_selectors(self) -> tuple[object, object]:
        """Return FAISS selectors of the valid vectors of a graph: by number, and by position."""
        if self._selectors is None:
            positions = np.flatnonzero(np.isin(self.stored_numbers, self._numbers))
            self._selectors = self.faiss.IDSelectorBatch(self._numbers), self.faiss.IDSelectorBatch(positions)
        return self._selectors

    def _search_parameters(self, effort: int, k: int) -> object:
        if self.kind == "ivf":
            min_cells = math.ceil(CANDIDATES * k * self.index.nlist / len(self))
            return self.faiss.SearchParametersIVF(nprobe=min(max(NPROBE * effort, min_cells), self.index.nlist))
        parameters = {"efSearch": min(max(EF_SEARCH * effort, 2 * k), self.index.ntotal)}
        if len(self) < self.index.ntotal:
            parameters["sel"] = self._valid_selectors()[0]
        return self.faiss.SearchParametersHNSW(**parameters)
