"""An index in a folder: one FAISS file per pattern, and `index.json`, which names the files and is written last.

Each change writes new files next to those that `index.json` names, and then replaces `index.json`. If the process is killed,
the folder holds either the old or the new index.
"""

import io
import logging
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from base.schema import Section
from misc.searching.choices import IndexKind
from misc.searching.index.faiss_index import MAX_EFFORT, MIN_APPROXIMATE, FaissIndex
from misc.searching.index.metadata import REBUILD, IndexedVideos, IndexMetadata, read_columns, read_json, validate
from misc.searching.index.patterns import from_rows, is_empty, to_rows, vector_dim
from misc.searching.index.query_bank import BankMetadata, QueryBank
from misc.searching.index.vector_store import VectorStore, lock_index
from model.similarity import TextEmbedding
from utils.errors import InputError, count_text, one_line
from utils.files import atomic_write, write_bytes
from utils.optional_packages import require_package

MANIFEST = "index.json"
INDEX_FILE = re.compile(r"(?:videos|queries|bank|[01]+)\.(\d+)\.(?:json|faiss|npy)|\..*\.tmp")
CHUNK_BYTES = 1 << 24

logger = logging.getLogger(__name__)


class IndexFile(Section):
    """A file of the index: its name, size and CRC-32, and for vectors the kind of index."""

    name: Annotated[str, Field(pattern=r"^(videos|queries|bank|[01]+)\.[0-9]+\.(json|faiss|npy)$")]
    size: int
    crc: int
    kind: IndexKind | None = None


class BankFile(Section):
    """A query bank: its file, its method and its data set."""

    file: IndexFile
    about: BankMetadata


class Manifest(Section):
    """The content of `index.json`."""

    version: Literal[1]
    generation: Annotated[int, Field(ge=1)]
    effort: Annotated[int, Field(ge=1, le=1 << 20)]
    about: IndexMetadata
    videos: IndexFile
    queries: IndexFile | None = None
    bank: BankFile | None = None
    patterns: dict[str, IndexFile]


class FaissStore(VectorStore):
    """An index in a folder, whose files are read when it is opened.

    With `metadata`, it is a new index, which replaces the existing one when it is committed. Opening an index for `writing`
    waits while another process is changing it.
    """

    keeps_queries = True

    def __init__(self, folder: Path, metadata: IndexMetadata | None = None, writing: bool = False):
        super().__init__(str(folder))
        self.folder, self._is_writing = folder, writing
        self._indexes: dict[str, FaissIndex] = {}
        self._generation = 0
        with self._resources as resources:  # released if opening fails
            if writing or metadata is not None:
                self.waited = resources.enter_context(lock_index(folder))
            if metadata is None:
                self._open()
            else:
                self.metadata, self.videos = metadata, IndexedVideos(metadata)
                matches = [INDEX_FILE.fullmatch(path.name) for path in folder.iterdir()]
                self._generation = max((int(match[1]) for match in matches if match and match[1]), default=0)
            self._resources = resources.pop_all()

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether there is an index."""
        return (folder / MANIFEST).exists()

    def _search_pattern(
        self, pattern: str, queries: np.ndarray, k: int, exact: bool, lowest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._indexes[pattern].search(queries, k, MAX_EFFORT + 1 if exact else self.effort, lowest)

    def _insert(self, pattern: str, videos: Sequence[str], numbers: Sequence[int], vectors: np.ndarray | None) -> None:
        if vectors is not None:
            if pattern not in self._indexes:
                self._indexes[pattern] = FaissIndex.empty(vectors.shape[1])
            self._indexes[pattern].add(numbers, vectors)

    def _delete(self, pattern: str, videos: Sequence[str], numbers: Sequence[int]) -> None:
        if not is_empty(pattern):
            self._indexes[pattern].remove(numbers)
            if not len(self._indexes[pattern]):
                del self._indexes[pattern]

    def optimize(self) -> None:
        """Convert the index of each pattern to the kind that fits its size, if it is of another kind or outdated."""
        for pattern, index in self._indexes.items():
            kind = "flat" if self.metadata.kind == "sq8" or len(index) < MIN_APPROXIMATE else self.metadata.kind
            if kind != index.kind or index.is_outdated():
                if index.kind != "flat":
                    what = f"pattern {pattern}: {index.kind} index of {len(index)} videos"
                    logger.info("%s: %s, %s", self.source, what, "now exact" if kind == "flat" else "rebuilt")
                self._indexes[pattern] = index.convert(kind)
            if self.metadata.kind == "sq8":
                self._indexes[pattern].compress()

    def commit(self) -> None:
        """Write all changes; if an OSError occurs, for example since the disk is full, the index is unchanged."""
        self._generation += 1
        for pattern, index in self._indexes.items():
            if index.file is None:
                index.file = self._write(f"{pattern}.{self._generation}.faiss", index)
        queries = None
        if self.queries is not None:
            content = io.BytesIO()
            np.save(content, to_rows(self.queries), allow_pickle=False)
            queries = self._write(f"queries.{self._generation}.npy", content.getvalue())
        bank = None
        if self.bank is not None:
            bank = BankFile(file=self._write(f"bank.{self._generation}.npy", self.bank.dump()), about=self.bank.about)
        manifest = Manifest(
            version=1,
            generation=self._generation,
            effort=self.effort,
            about=self.metadata,
            videos=self._write(f"videos.{self._generation}.json", self.videos.columns.model_dump_json().encode()),
            queries=queries,
            bank=bank,
            patterns={pattern: index.file for pattern, index in self._indexes.items()},
        )
        write_bytes(self.folder / MANIFEST, manifest.model_dump_json(indent=4).encode() + b"\n")
        files = [manifest.videos, queries, bank and bank.file, *manifest.patterns.values()]
        named = {MANIFEST, *(file.name for file in files if file is not None)}
        for path in self.folder.iterdir():  # files of the previous index, or of a write that was killed
            if path.name not in named and INDEX_FILE.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def size(self) -> int:
        """Return its bytes on disk."""
        files = [path for path in self.folder.iterdir() if path.name == MANIFEST or INDEX_FILE.fullmatch(path.name)]
        return sum(path.stat().st_size for path in files)

    def _write(self, name: str, content: FaissIndex | bytes) -> IndexFile:
        size = crc = 0

        def write(part: bytes) -> int:
            nonlocal size, crc
            size, crc = size + len(part), zlib.crc32(part, crc)
            return file.write(part)

        with atomic_write(self.folder / name) as file:
            if isinstance(content, bytes):
                write(content)
                return IndexFile(name=name, size=size, crc=crc)
            writer = content.faiss.PyCallbackIOWriter(write)
            content.faiss.write_index(content.index, writer)
            del writer  # flushes its buffer
            file.flush()
        return IndexFile(name=name, size=size, crc=crc, kind=content.kind)

    def _open(self) -> None:
        """Read all files, and again if another process has replaced them."""
        manifest = self._read_manifest()
        while True:
            try:
                return self._read_all(manifest)
            except InputError:
                if (latest := self._read_manifest()).generation == manifest.generation:
                    raise
                manifest = latest

    def _read_manifest(self) -> Manifest:
        path = self.folder / MANIFEST
        if not path.exists():
            raise InputError(f"{path}: not found, expected an index: misc/search.py build")
        return validate(Manifest, read_json(path), str(path))

    def _read_all(self, manifest: Manifest) -> None:
        self.metadata, self.effort, self._generation = manifest.about, manifest.effort, manifest.generation
        path = self._verify(manifest.videos)
        self.videos = IndexedVideos(self.metadata, read_columns(path), str(path))
        numbers = {pattern: x for pattern, x in self.videos.by_pattern().items() if not is_empty(pattern)}
        if numbers.keys() != manifest.patterns.keys():
            raise InputError(f"{self.folder / MANIFEST}: damaged: patterns: not those of {path.name}; {REBUILD}")
        self.bank = None if manifest.bank is None else self._read_bank(manifest.bank)
        self._indexes = {name: self._read_index(file, name, numbers[name]) for name, file in manifest.patterns.items()}
        self.queries = None if manifest.queries is None else self._read_queries(manifest.queries)
        outdated = [pattern for pattern, index in self._indexes.items() if index.is_outdated()]
        for pattern in outdated:  # written by an earlier version of this program, which did not optimize after a change
            self._indexes[pattern] = self._indexes[pattern].convert("flat")
        if outdated:
            logger.info("%s: many videos were removed or added since it was built: searching it exactly", self.source)

    def _read_queries(self, file: IndexFile) -> TextEmbedding:
        """Return the queries by which the effort is chosen."""
        path = self._verify(file)
        try:
            with path.open("rb") as content:
                rows = np.lib.format.read_array(content, allow_pickle=False)
        except (ValueError, TypeError, EOFError) as error:
            raise InputError(f"{path}: damaged ({one_line(str(error))[:100]}); {REBUILD}") from None
        try:
            return TextEmbedding(*from_rows(rows, self.metadata.dims, "queries"))
        except ValueError as error:
            raise InputError(f"{path}: {error}") from None

    def _read_bank(self, stored: BankFile) -> QueryBank:
        path = self._verify(stored.file)
        try:
            with path.open("rb") as content:
                return QueryBank.load(content, stored.about, self.metadata.dims, self.videos.numbers.values())
        except (ValueError, TypeError, EOFError) as error:
            raise InputError(f"{path}: damaged ({one_line(str(error))[:100]}); {REBUILD}") from None

    def _verify(self, file: IndexFile) -> Path:
        """Return the path of a file after checking its size and CRC-32."""
        path, size, crc = self.folder / file.name, 0, 0
        try:
            with path.open("rb") as content:
                while part := content.read(CHUNK_BYTES):
                    size, crc = size + len(part), zlib.crc32(part, crc)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); {REBUILD}") from None
        if (size, crc) != (file.size, file.crc):
            raise InputError(
                f"{path}: damaged: {size} bytes with CRC-32 {crc:08x}, expected {file.size} with {file.crc:08x} "
                f"by {MANIFEST}; {REBUILD}"
            )
        return path

    def _read_index(self, file: IndexFile, pattern: str, numbers: np.ndarray) -> FaissIndex:
        """Return the index of a pattern after checking its kind, dimension and set of videos."""
        path = self._verify(file)
        faiss = require_package("faiss")
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise InputError(f"{path}: damaged ({one_line(str(error))[:100]}); {REBUILD}") from None
        result = FaissIndex(file.kind or "flat", index, numbers, file)
        inner = index if result.kind == "ivf" else faiss.downcast_index(getattr(index, "index", index))
        inner_class = {"flat": faiss.IndexFlat, "ivf": faiss.IndexIVFFlat, "hnsw": faiss.IndexHNSWFlat}[result.kind]
        outer_class = faiss.IndexIVFFlat if result.kind == "ivf" else faiss.IndexIDMap
        is_valid = isinstance(index, outer_class) and isinstance(inner, inner_class)
        if not is_valid or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise InputError(f"{path}: found a {type(index).__name__}, expected one of kind {result.kind}")
        if index.d != (dim := vector_dim(pattern, self.metadata.dims) + (self.bank is not None)):
            raise InputError(f"{path}: dimension {index.d}, expected {dim} by {MANIFEST}")
        stored = result.stored_numbers
        if len(np.setdiff1d(numbers, stored)) or (result.kind != "hnsw" and len(stored) != len(numbers)):
            raise InputError(f"{path}: not the {count_text(len(numbers), 'video')} of its pattern; {REBUILD}")
        if self.metadata.kind == "sq8":
            result.compress(None if self._is_writing else path)
        return result
