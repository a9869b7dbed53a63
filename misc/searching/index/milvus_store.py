"""An index in Milvus, a server or a local file of milvus-lite: one Milvus collection per pattern, and one for the metadata.

Each build has a generation, `<name>_<generation>_<pattern>`; the row of `<name>_about` that names it is written last. Videos
that are added or removed later take effect immediately, so that an interrupted change is applied to some of the videos.
"""

import contextlib
import json
import logging
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from base.schema import Section
from misc.searching.index.faiss_index import CANDIDATES, EF_CONSTRUCTION, EF_SEARCH, HNSW_M, MAX_EFFORT, NPROBE
from misc.searching.index.metadata import IndexedVideos, IndexMetadata, VideoColumns, validate
from misc.searching.index.patterns import is_empty, search_with_ties, vector_dim
from misc.searching.index.vector_store import VectorStore, lock_index
from utils.errors import InputError, one_line
from utils.optional_packages import require_package

PACKAGES = "pymilvus milvus-lite"
BATCH_ROWS = 1000  # per request
CELLS = 1024
# Limits of Milvus.
MAX_RESULTS = 16_384
MAX_ID_BYTES = 65_535
MAX_EF = 32_768
MIN_DIM = 2
INDEX_TYPES = {
    "flat": ("FLAT", {}),
    "ivf": ("IVF_FLAT", {"nlist": CELLS}),
    "hnsw": ("HNSW", {"M": HNSW_M, "efConstruction": EF_CONSTRUCTION}),
}


class MetadataRow(Section):
    """The row that names the current generation."""

    version: Literal[2]
    generation: Annotated[int, Field(ge=1)]
    effort: Annotated[int, Field(ge=1, le=1 << 20)]
    about: IndexMetadata


class MilvusStore(VectorStore):
    """An index in Milvus, whose effort is chosen when it is built.

    With `metadata`, it is a new index, which replaces the existing one when it is committed. A lock in `folder` allows one
    process of this machine at a time to change the index: opening it for `writing` waits for others.
    """

    keeps_queries = False

    def __init__(self, uri: str, name: str, folder: Path, metadata: IndexMetadata | None = None, writing: bool = False):
        super().__init__(f"{uri}, {name}")
        self._prefix = _to_prefix(name)
        with self._resources as resources:  # released if opening fails
            if writing or metadata is not None:
                self.waited = resources.enter_context(lock_index(folder))
            self._client = resources.enter_context(connect(uri))
            with explain_errors(self.source):
                row = self._read_row()
                if metadata is not None:
                    self.metadata, self.videos, self._patterns = metadata, IndexedVideos(metadata), set()
                    self._generation = 1 + (row.generation if row else 0)
                    self._drop_generations(lambda generation: generation == self._generation)  # of a build that was killed
                elif row is not None:
                    self._open(row)
                else:
                    raise InputError(f"{self.source}: no index, expected one: misc/search.py build")
            self._resources = resources.pop_all()

    @staticmethod
    def exists(uri: str, name: str) -> bool:
        """Return whether there is an index; raise an InputError if Milvus cannot be reached."""
        with connect(uri) as client:
            return client.has_collection(f"{_to_prefix(name)}_about")

    def _open(self, row: MetadataRow) -> None:
        self._generation, self.effort, self.metadata = row.generation, row.effort, row.about
        self._patterns = {pattern for generation, pattern in self._list_tables() if generation == self._generation}
        for pattern in self._patterns:
            self._client.load_collection(self._table(pattern))  # another process may have released it
        self.videos = IndexedVideos(self.metadata, self._read_columns(), self.source)

    def _search_pattern(
        self, pattern: str, queries: np.ndarray, k: int, exact: bool, lowest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        queries = _pad_vectors(np.ascontiguousarray(queries, np.float32))
        num_videos = min(len(self.videos.by_pattern()[pattern]), MAX_RESULTS)
        exact = exact or self.effort > MAX_EFFORT
        if self.metadata.kind == "hnsw" and exact:
            return self._search_exactly(pattern, queries, k)
        if self.metadata.kind == "flat":
            scores, numbers = search_with_ties(lambda limit: self._request(pattern, queries, limit), k, num_videos)
        else:
            scores, numbers = self._request(pattern, queries, min(k, num_videos), exact)
        if ((numbers >= 0).sum(axis=1) < k).any():
            return self._search_exactly(pattern, queries, k)
        return scores, numbers

    def _request(self, pattern: str, queries: np.ndarray, k: int, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores and numbers (T, k) that Milvus finds, -1 for none and for videos added after opening."""
        known = self.videos.by_pattern()[pattern]
        nprobe = CELLS if exact else max(NPROBE * self.effort, math.ceil(CANDIDATES * k * CELLS / len(known)))
        ef = max(EF_SEARCH * self.effort, 2 * k)
        parameters = {"flat": {}, "ivf": {"nprobe": min(nprobe, CELLS)}, "hnsw": {"ef": min(ef, MAX_EF)}}
        with explain_errors(self.source):
            results = self._client.search(
                self._table(pattern),
                data=queries.tolist(),
                limit=k,
                output_fields=["number"],
                anns_field="vector",
                search_params={"metric_type": "IP", "params": parameters[self.metadata.kind]},
            )
        scores = np.full((len(queries), k), -np.inf, np.float32)
        numbers = np.full((len(queries), k), -1, np.int64)
        for row, hits in enumerate(results):
            scores[row, : len(hits)] = [hit["distance"] for hit in hits]
            numbers[row, : len(hits)] = [hit["entity"]["number"] for hit in hits]
        numbers[~np.isin(numbers, known)] = -1
        return scores, numbers

    def _search_exactly(self, pattern: str, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best k videos of a pattern, and all with the score of the k-th, by reading all vectors."""
        scores, numbers = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        known = self.videos.by_pattern()[pattern]
        for batch in self._read_rows(pattern, ["number", "vector"]):
            new_numbers = np.array([row["number"] for row in batch], np.int64)
            is_known = np.isin(new_numbers, known)
            vectors = np.array([row["vector"] for row in batch], np.float32)[is_known]
            scores = np.concatenate([scores, queries @ vectors.T], axis=1)
            numbers = np.concatenate([numbers, np.tile(new_numbers[is_known], (len(queries), 1))], axis=1)
            if scores.shape[1] > k:
                threshold = np.partition(scores, -k, axis=1)[:, [-k]]
                kept = (scores >= threshold).any(axis=0)
                scores, numbers = scores[:, kept], numbers[:, kept]
        return scores, numbers

    def _insert(self, pattern: str, videos: Sequence[str], numbers: Sequence[int], vectors: np.ndarray | None) -> None:
        if long := [video for video in videos if len(video.encode()) > MAX_ID_BYTES]:
            raise InputError(f"{self.source}: '{long[0][:50]}...' has more than {MAX_ID_BYTES} bytes, expected a shorter id")
        if vectors is None:
            vectors = np.zeros((len(videos), MIN_DIM), np.float32)
        available_of, version_of = self.videos.available_of, self.videos.version_of
        rows = [
            {"id": x, "number": number, "vector": vector, "available": available_of(x), "version": version_of(x)}
            for x, number, vector in zip(videos, numbers, _pad_vectors(vectors), strict=True)
        ]
        with explain_errors(self.source):
            if pattern not in self._patterns:
                dim, kind = vector_dim(pattern, self.metadata.dims), "flat" if is_empty(pattern) else self.metadata.kind
                fields = {"number": "INT64", "available": "VARCHAR", "version": "VARCHAR"}
                self._create_table(self._table(pattern), dim, kind, **fields)
                self._patterns.add(pattern)
            for start in range(0, len(rows), BATCH_ROWS):
                self._client.upsert(self._table(pattern), rows[start : start + BATCH_ROWS])

    def _delete(self, pattern: str, videos: Sequence[str], numbers: Sequence[int]) -> None:
        with explain_errors(self.source):
            for start in range(0, len(videos), BATCH_ROWS):
                self._client.delete(self._table(pattern), ids=list(videos[start : start + BATCH_ROWS]))

    def optimize(self) -> None:
        """Do nothing: Milvus maintains its indexes."""

    def commit(self) -> None:
        """Make this generation the current one and drop all others."""
        table = f"{self._prefix}_about"
        row = MetadataRow(version=2, generation=self._generation, effort=self.effort, about=self.metadata)
        with explain_errors(self.source):
            if not self._client.has_collection(table):
                self._create_table(table, MIN_DIM, "flat", content="JSON")
            self._client.upsert(table, [{"id": "about", "content": row.model_dump(), "vector": [0.0] * MIN_DIM}])
            self._drop_generations(lambda generation: generation != self._generation)

    def size(self) -> None:
        """Return None: its bytes on disk are unknown."""

    def _create_table(self, table: str, dim: int, kind: str, **fields: str) -> None:
        """Create a Milvus collection with an id, a vector, and further fields of the given types."""
        types = require_package("pymilvus", PACKAGES).DataType
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", types.VARCHAR, is_primary=True, max_length=MAX_ID_BYTES)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=max(dim, MIN_DIM))
        for name, field_type in fields.items():
            schema.add_field(name, types[field_type], **({"max_length": MAX_ID_BYTES} if field_type == "VARCHAR" else {}))
        index_type, parameters = INDEX_TYPES[kind]
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type, metric_type="IP", params=parameters)
        # Strong consistency: written rows are found at once.
        self._client.create_collection(table, schema=schema, index_params=index, consistency_level="Strong")

    def _table(self, pattern: str) -> str:
        return f"{self._prefix}_{self._generation}_{pattern}"

    def _list_tables(self) -> list[tuple[int, str]]:
        """Return generation and pattern of all Milvus collections with vectors of this index."""
        matches = [re.fullmatch(rf"{self._prefix}_(\d+)_([01]+)", name) for name in self._client.list_collections()]
        return [(int(match[1]), match[2]) for match in matches if match]

    def _drop_generations(self, is_dropped: Any) -> None:
        for generation, pattern in self._list_tables():
            if is_dropped(generation):
                self._client.drop_collection(f"{self._prefix}_{generation}_{pattern}")

    def _read_row(self) -> MetadataRow | None:
        table, rows = f"{self._prefix}_about", []
        if self._client.has_collection(table):
            self._client.load_collection(table)
            rows = self._client.query(table, filter='id == "about"', output_fields=["content"])
        if not rows:
            return None
        content = rows[0]["content"]
        return validate(MetadataRow, json.loads(content) if isinstance(content, str | bytes) else content, self.source)

    def _read_columns(self) -> VideoColumns:
        names = {"number": "numbers", "id": "ids", "available": "available", "version": "versions"}
        rows = []
        for pattern in self._patterns:
            for batch in self._read_rows(pattern, list(names)):
                rows += batch
        rows.sort(key=lambda row: row["number"])
        columns = {column: [row[name] for row in rows] for name, column in names.items()}
        return VideoColumns(next=max(columns["numbers"], default=-1) + 1, **columns)

    def _read_rows(self, pattern: str, fields: list[str]) -> Iterator[list[dict[str, Any]]]:
        with explain_errors(self.source):
            iterator = self._client.query_iterator(self._table(pattern), batch_size=BATCH_ROWS, output_fields=fields)
            while batch := iterator.next():
                yield batch
            iterator.close()


@contextlib.contextmanager
def connect(uri: str) -> Iterator[Any]:
    """Yield a client of a Milvus server or of a local file."""
    pymilvus = require_package("pymilvus", PACKAGES)
    source = uri
    if "://" not in uri:
        require_package("milvus_lite", PACKAGES)
        for name in ("grpc", "pymilvus", "milvus_lite"):  # they log features of a server that a local file lacks
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if not uri.endswith(".db") or not Path(uri).parent.is_dir():
            raise InputError(f"--uri {uri}: expected a server (http://host:19530), or a file .db in an existing folder")
        source = f"{uri}: damaged, or open in another process, expected one at a time"
    with explain_errors(source):
        client = pymilvus.MilvusClient(uri)
    with contextlib.closing(client):
        yield client


@contextlib.contextmanager
def explain_errors(source: str) -> Iterator[None]:
    """Convert errors of Milvus to an `InputError` of one line that begins with `source`."""
    pymilvus = require_package("pymilvus", PACKAGES)
    try:
        yield
    except pymilvus.MilvusException as error:
        raise InputError(f"{source}: {one_line(error.message or str(error))[:200]}") from None


def _to_prefix(name: str) -> str:
    """Return a name of letters, digits and underscores, as Milvus requires; a checksum distinguishes similar names."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
    return plain if plain == name else f"{plain}_{zlib.crc32(name.encode()):08x}"


def _pad_vectors(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of at least the minimum dimension; the zeros change no inner product."""
    missing = MIN_DIM - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing > 0 else vectors
