"""An index in Milvus, a server or a local file of milvus-lite: a collection a pattern, and one that says which count.

Each build has a number of its own, `<name>_<number>_<pattern>`; the row of `<name>_about` that names it is written last.
What is added to a build or removed from it counts at once, video by video: an interruption leaves each video there or not.
"""

import contextlib
import json
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from misc.optional_packages import require_package
from misc.searching.about import About, Part, parsed
from misc.searching.catalogue import Catalogue, Columns
from misc.searching.faiss_index import CANDIDATES, EF_CONSTRUCTION, EF_SEARCH, MAX_EFFORT, NEIGHBOURS, NPROBE
from misc.searching.locking import locked
from misc.searching.milvus_client import INSTALL, connect, explain_errors
from misc.searching.patterns import is_empty, width
from model.similarity import TextEmbedding
from utils.errors import InputError

BATCH = 1000  # rows a request
MOST_FOUND = 16_384  # of a request, by Milvus
MOST_ID = 65_535  # bytes of an id, by Milvus
CELLS = 1024
MAX_EF = 32_768  # by Milvus
KINDS = {
    "flat": ("FLAT", {}),
    "ivf": ("IVF_FLAT", {"nlist": CELLS}),
    "hnsw": ("HNSW", {"M": NEIGHBOURS, "efConstruction": EF_CONSTRUCTION}),
}
SMALLEST = 2  # the dimension of a vector, by Milvus


class Row(Part):
    """What says which build counts."""

    version: Literal[2]
    generation: Annotated[int, Field(ge=1)]
    effort: Annotated[int, Field(ge=1, le=1 << 20)]
    about: About


class MilvusStore:
    """See `misc.searching.store.Store`. The effort is chosen when it is built.

    Args:
        uri: a server's address, or a local file.
        name: of the collection of videos.
        folder: where a lock keeps two processes of this machine from changing it.
        about: of a new index, which takes the place of what is there when it is committed (None: open what is there).
        writing: it is to be changed; a process of this machine that does so is waited for.

    Raises:
        InputError: no such server, no index, or a damaged one.
    """

    keeps_queries = False

    def __init__(self, uri: str, name: str, folder: Path, about: About | None = None, writing: bool = False):
        self.place = f"{uri}, {name}"
        self.effort, self.waited = 1, False
        self.queries: TextEmbedding | None = None
        self._prefix = _prefix(name)
        with contextlib.ExitStack() as held:  # which lets go where this fails
            if writing or about is not None:
                self.waited = held.enter_context(locked(folder))
            self._client = held.enter_context(connect(uri))
            with self._blaming():
                self._begin(about) if about is not None else self._open()
            self._held = held.pop_all()

    @staticmethod
    def exists(uri: str, name: str) -> bool:
        """Whether there is an index.

        Raises:
            InputError: Milvus cannot be reached.
        """
        with connect(uri) as client:
            return client.has_collection(f"{_prefix(name)}_about")

    def _begin(self, about: About) -> None:
        row = self._row()
        self.about, self.videos = about, Catalogue(about)
        self._generation = 1 + (row.generation if row else 0)
        self._tables: set[str] = set()
        self._drop_all(lambda generation: generation == self._generation)  # of a build that was killed

    def _open(self) -> None:
        row = self._row()
        if row is None:
            raise InputError(f"{self.place}: no index, expected one: misc/search.py build")
        self._generation, self.effort, self.about = row.generation, row.effort, row.about
        self._tables = {pattern for generation, pattern in self._all() if generation == self._generation}
        for pattern in self._tables:
            self._client.load_collection(self._table(pattern))  # another process may have let go of it
        self.videos = Catalogue(self.about, self._columns(), self.place)

    def search(self, pattern: str, queries: np.ndarray, k: int, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """See `Store`."""
        queries = _widened(np.ascontiguousarray(queries, np.float32))
        number = min(len(self.videos.by_pattern()[pattern]), MOST_FOUND)
        exact = exact or self.effort > MAX_EFFORT
        if self.about.kind == "hnsw" and exact:
            return self._search_exactly(pattern, queries, k)
        if self.about.kind != "flat":
            scores, numbers = self._request(pattern, queries, min(k, number), exact)
        else:
            fetched = min(k, number)
            while True:
                fetched = min(2 * fetched + 1, number)
                scores, numbers = self._request(pattern, queries, fetched)
                if fetched == number or (scores[:, k - 1] > scores[:, -1]).all():
                    break
        if ((numbers >= 0).sum(axis=1) < k).any():
            return self._search_exactly(pattern, queries, k)
        return scores, numbers

    def _request(
        self, pattern: str, queries: np.ndarray, limit: int, all_cells: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores and numbers (T, limit) that Milvus finds; -1 for none, or for a video that came later."""
        known = self.videos.by_pattern()[pattern]
        cells = CELLS if all_cells else max(NPROBE * self.effort, math.ceil(CANDIDATES * limit * CELLS / len(known)))
        ways = max(EF_SEARCH * self.effort, 2 * limit)
        effort = {"ivf": {"nprobe": min(cells, CELLS)}, "hnsw": {"ef": min(ways, MAX_EF)}}
        with self._blaming():
            found = self._client.search(
                self._table(pattern),
                data=queries.tolist(),
                limit=limit,
                output_fields=["number"],
                anns_field="vector",
                search_params={"metric_type": "IP", "params": effort.get(self.about.kind, {})},
            )
        scores = np.full((len(queries), limit), -np.inf, np.float32)
        numbers = np.full((len(queries), limit), -1, np.int64)
        for row, hits in enumerate(found):
            scores[row, : len(hits)] = [hit["distance"] for hit in hits]
            numbers[row, : len(hits)] = [hit["entity"]["number"] for hit in hits]
        numbers[~np.isin(numbers, known)] = -1
        return scores, numbers

    def _search_exactly(self, pattern: str, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best k of a pattern and those that are as good as the k-th, by reading all of its vectors."""
        scores, numbers = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        known = self.videos.by_pattern()[pattern]
        for batch in self._read_rows(pattern, ["number", "vector"]):
            new = np.array([row["number"] for row in batch], np.int64)
            vectors = np.array([row["vector"] for row in batch], np.float32)[np.isin(new, known)]
            scores = np.concatenate([scores, queries @ vectors.T], axis=1)
            numbers = np.concatenate([numbers, np.tile(new[np.isin(new, known)], (len(queries), 1))], axis=1)
            if scores.shape[1] > k:
                least = np.partition(scores, -k, axis=1)[:, [-k]]
                kept = (scores >= least).any(axis=0)
                scores, numbers = scores[:, kept], numbers[:, kept]
        return scores, numbers

    def put(self, pattern: str, videos: Sequence[str], numbers: Sequence[int], vectors: np.ndarray | None) -> None:
        """See `Store`."""
        if long := [video for video in videos if len(video.encode()) > MOST_ID]:
            raise InputError(f"{self.place}: '{long[0][:50]}...' has more than {MOST_ID} bytes, expected a shorter id")
        if vectors is None:
            vectors = np.zeros((len(videos), SMALLEST), np.float32)
        rows = [
            {"id": video, "number": number, "vector": vector}
            | {"available": self.videos.available[video], "version": self.videos.versions[video]}
            for video, number, vector in zip(videos, numbers, _widened(vectors), strict=True)
        ]
        with self._blaming():
            if pattern not in self._tables:
                self._create(pattern)
            for start in range(0, len(rows), BATCH):
                self._client.upsert(self._table(pattern), rows[start : start + BATCH])

    def drop(self, pattern: str, videos: Sequence[str], numbers: Sequence[int]) -> None:
        """See `Store`."""
        with self._blaming():
            for start in range(0, len(videos), BATCH):
                self._client.delete(self._table(pattern), ids=list(videos[start : start + BATCH]))

    def settle(self) -> None:
        """See `Store`: Milvus does that by itself."""

    def commit(self) -> None:
        """See `Store`."""
        table = f"{self._prefix}_about"
        row = Row(version=2, generation=self._generation, effort=self.effort, about=self.about)
        with self._blaming():
            if not self._client.has_collection(table):
                schema = self._schema(SMALLEST)
                schema.add_field("content", self._types.JSON)
                self._client.create_collection(table, schema=schema, index_params=self._index("flat"), **STRONG)
            content = {"id": "about", "content": row.model_dump(), "vector": [0.0] * SMALLEST}
            self._client.upsert(table, [content])
            self._drop_all(lambda generation: generation != self._generation)

    def close(self) -> None:
        """See `Store`."""
        self._held.close()

    def size(self) -> None:
        """See `Store`: not known."""

    @property
    def _types(self) -> Any:
        return require_package("pymilvus", INSTALL).DataType

    def _schema(self, dim: int) -> Any:
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", self._types.VARCHAR, is_primary=True, max_length=MOST_ID)
        schema.add_field("vector", self._types.FLOAT_VECTOR, dim=max(dim, SMALLEST))
        return schema

    def _index(self, kind: str) -> Any:
        name, parameters = KINDS[kind]
        index = self._client.prepare_index_params()
        index.add_index(field_name="vector", index_type=name, metric_type="IP", params=parameters)
        return index

    def _create(self, pattern: str) -> None:
        """Make the collection of a pattern."""
        schema = self._schema(width(pattern, self.about.dims))
        schema.add_field("number", self._types.INT64)
        for name in ("available", "version"):
            schema.add_field(name, self._types.VARCHAR, max_length=MOST_ID)
        kind = "flat" if is_empty(pattern) else self.about.kind
        self._client.create_collection(self._table(pattern), schema=schema, index_params=self._index(kind), **STRONG)
        self._tables.add(pattern)

    def _table(self, pattern: str) -> str:
        return f"{self._prefix}_{self._generation}_{pattern}"

    def _all(self) -> list[tuple[int, str]]:
        """The generations and patterns of all collections of this name."""
        found = [re.fullmatch(rf"{self._prefix}_(\d+)_([01]+)", name) for name in self._client.list_collections()]
        return [(int(match[1]), match[2]) for match in found if match]

    def _drop_all(self, chosen: Any) -> None:
        for generation, pattern in self._all():
            if chosen(generation):
                self._client.drop_collection(f"{self._prefix}_{generation}_{pattern}")

    def _row(self) -> Row | None:
        """What says which build counts."""
        table = f"{self._prefix}_about"
        if not self._client.has_collection(table):
            return None
        self._client.load_collection(table)
        rows = self._client.query(table, filter='id == "about"', output_fields=["content"])
        if not rows:
            return None
        content = rows[0]["content"]
        content = json.loads(content) if isinstance(content, str | bytes) else content
        return parsed(Row, content, self.place)

    def _columns(self) -> Columns:
        """All videos, read once."""
        rows = []
        for pattern in sorted(self._tables):
            for batch in self._read_rows(pattern, ["number", "id", "available", "version"]):
                rows += [(row["number"], row["id"], row["available"], row["version"]) for row in batch]
        numbers, ids, available, versions = (list(x) for x in zip(*sorted(rows), strict=True)) if rows else ([], [], [], [])
        return Columns(next=max(numbers, default=-1) + 1, ids=ids, numbers=numbers, available=available, versions=versions)

    def _read_rows(self, pattern: str, fields: list[str]) -> Iterator[list[dict[str, Any]]]:
        """Yield all rows of a pattern, batch by batch."""
        with self._blaming():
            iterator = self._client.query_iterator(self._table(pattern), batch_size=BATCH, output_fields=fields)
            while batch := iterator.next():
                yield batch
            iterator.close()

    @contextlib.contextmanager
    def _blaming(self) -> Iterator[None]:
        """Say of what goes wrong in Milvus that it did."""
        with explain_errors(self.place):
            yield


STRONG = {"consistency_level": "Strong"}  # what has been written is found


def _prefix(name: str) -> str:
    """The name as Milvus takes it, of letters, digits and underscores; others that look like it differ by a sum."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
    return plain if plain == name else f"{plain}_{zlib.crc32(name.encode()):08x}"


def _widened(vectors: np.ndarray) -> np.ndarray:
    """Vectors of at least the smallest dimension that Milvus takes, with zeros, which change no inner product."""
    missing = SMALLEST - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing > 0 else vectors
