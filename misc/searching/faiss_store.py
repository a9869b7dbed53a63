"""An index in a folder: FAISS files, one a pattern, and `index.json`, which names them and is written last.

Each change writes new files beside those that `index.json` names, and then that file anew: whatever happens in between, the
folder holds the old index or the new one.
"""

import contextlib
import io
import logging
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from misc.optional_packages import require_package
from misc.searching.about import About, Kind, Part, parsed, read_json
from misc.searching.catalogue import Catalogue, Columns
from misc.searching.faiss_index import MAX_EFFORT, SMALL, FaissIndex
from misc.searching.locking import locked
from misc.searching.patterns import as_rows, from_rows, is_empty, width
from model.similarity import TextEmbedding
from utils.errors import InputError, count_text, one_line
from utils.files import atomic_write

MANIFEST = "index.json"
OURS = re.compile(r"(?:videos|queries|[01]+)\.(\d+)\.(?:json|faiss|npy)|\..*\.tmp")
CHUNK = 1 << 24

logger = logging.getLogger(__name__)


class File(Part):
    """A file of the index: its name, its size and its CRC-32, and the kind of index in it."""

    name: Annotated[str, Field(pattern=r"^(videos|queries|[01]+)\.[0-9]+\.(json|faiss|npy)$")]
    size: int
    crc: int
    kind: Kind | None = None


class Manifest(Part):
    """The content of `index.json`."""

    version: Literal[1]
    generation: Annotated[int, Field(ge=1)]
    effort: Annotated[int, Field(ge=1, le=1 << 20)]
    about: About
    videos: File
    queries: File | None = None
    patterns: dict[str, File]


class FaissStore:
    """See `misc.searching.store.Store`. Files are read when it is opened.

    Args:
        folder: where it is kept.
        about: of a new index, which takes the place of what is there when it is committed (None: open what is there).
        writing: it is to be changed; a process that does so is waited for.

    Raises:
        InputError: no index, or a damaged one.
    """

    keeps_queries = True

    def __init__(self, folder: Path, about: About | None = None, writing: bool = False):
        self.folder = folder
        self.place = str(folder)
        self.effort, self.waited = 1, False
        self.queries: TextEmbedding | None = None
        self._indexes: dict[str, FaissIndex] = {}
        self._files: dict[str, File] = {}  # of the patterns that have not been changed
        self._generation = 0
        with contextlib.ExitStack() as held:  # which lets go where this fails
            if writing or about is not None:
                self.waited = held.enter_context(locked(folder))
            if about is None:
                self._open()
            else:
                self.about, self.videos = about, Catalogue(about)
                numbered = [OURS.fullmatch(path.name) for path in folder.iterdir()]
                self._generation = max((int(found[1]) for found in numbered if found and found[1]), default=0)
            self._held = held.pop_all()

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is an index."""
        return (folder / MANIFEST).exists()

    def search(self, pattern: str, queries: np.ndarray, k: int, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """See `Store`."""
        return self._indexes[pattern].search(queries, k, MAX_EFFORT + 1 if exact else self.effort)

    def put(self, pattern: str, videos: Sequence[str], numbers: Sequence[int], vectors: np.ndarray | None) -> None:
        """See `Store`."""
        if vectors is not None:
            if pattern not in self._indexes:
                self._indexes[pattern] = FaissIndex.empty(vectors.shape[1])
            self._indexes[pattern].add(numbers, vectors)
            self._files.pop(pattern, None)

    def drop(self, pattern: str, videos: Sequence[str], numbers: Sequence[int]) -> None:
        """See `Store`."""
        if not is_empty(pattern):
            self._indexes[pattern].remove(numbers)
            self._files.pop(pattern, None)
            if not len(self._indexes[pattern]):
                del self._indexes[pattern]

    def settle(self) -> None:
        """See `Store`."""
        for pattern, index in self._indexes.items():
            kind = self.about.kind if len(index) >= SMALL else "flat"
            if kind != index.kind or index.is_worn():
                if index.kind != "flat":
                    made = "exact now" if kind == "flat" else "made anew"
                    logger.info(
                        "%s: pattern %s: %s index of %d videos, %s", self.place, pattern, index.kind, len(index), made
                    )
                self._indexes[pattern] = index.settled(kind)
                self._files.pop(pattern, None)

    def commit(self) -> None:
        """See `Store`.

        Raises:
            OSError: the disk is full, say; then the index is what it was.
        """
        self._generation += 1
        for pattern, index in self._indexes.items():
            if pattern not in self._files:
                self._files[pattern] = self._write(f"{pattern}.{self._generation}.faiss", index)
        columns = self.videos.columns.model_dump_json().encode()
        manifest = Manifest(
            version=1,
            generation=self._generation,
            effort=self.effort,
            about=self.about,
            videos=self._write(f"videos.{self._generation}.json", columns),
            queries=self._write_queries(),
            patterns=self._files,
        )
        with atomic_write(self.folder / MANIFEST) as file:
            file.write(manifest.model_dump_json(indent=4).encode() + b"\n")
        others = [manifest.videos, *filter(None, [manifest.queries])]
        named = {MANIFEST, *(file.name for file in [*others, *self._files.values()])}
        for path in self.folder.iterdir():  # what no index names: of the last one, or of a write that was killed
            if path.name not in named and OURS.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """See `Store`."""
        self._held.close()

    def size(self) -> int:
        """See `Store`."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def _write_queries(self) -> File | None:
        if self.queries is None:
            return None
        content = io.BytesIO()
        np.save(content, as_rows(self.queries), allow_pickle=False)
        return self._write(f"queries.{self._generation}.npy", content.getvalue())

    def _write(self, name: str, content: FaissIndex | bytes) -> File:
        """Write a file of the index."""
        size = crc = 0

        def keep(part: bytes) -> int:
            nonlocal size, crc
            size, crc = size + len(part), zlib.crc32(part, crc)
            return file.write(part)

        with atomic_write(self.folder / name) as file:
            if isinstance(content, bytes):
                keep(content)
                return File(name=name, size=size, crc=crc)
            writer = content.faiss.PyCallbackIOWriter(keep)
            content.faiss.write_index(content.index, writer)
            del writer  # it holds what it has not written yet
            file.flush()
        return File(name=name, size=size, crc=crc, kind=content.kind)

    def _open(self) -> None:
        """Read all, anew if it was changed meanwhile, so that files have gone."""
        manifest = self._manifest()
        while True:
            try:
                return self._read_all(manifest)
            except InputError:
                if (now := self._manifest()).generation == manifest.generation:
                    raise
                manifest = now

    def _manifest(self) -> Manifest:
        path = self.folder / MANIFEST
        if not path.exists():
            raise InputError(f"{path}: not found, expected an index: misc/search.py build")
        return parsed(Manifest, read_json(path), str(path))

    def _read_all(self, manifest: Manifest) -> None:
        path = self.folder / MANIFEST
        self.about, self.effort, self._generation = manifest.about, manifest.effort, manifest.generation
        columns = parsed(Columns, read_json(self._checked(manifest.videos)), str(self.folder / manifest.videos.name))
        self.videos = Catalogue(self.about, columns, str(self.folder / manifest.videos.name))
        expected = {pattern: x for pattern, x in self.videos.by_pattern().items() if not is_empty(pattern)}
        if expected.keys() != manifest.patterns.keys():
            raise InputError(f"{path}: damaged: patterns: not those of {manifest.videos.name}; build the index anew")
        self._indexes = {name: self._read(file, name, expected[name]) for name, file in manifest.patterns.items()}
        self._files = dict(manifest.patterns)
        self.queries = None if manifest.queries is None else self._read_queries(manifest.queries)
        worn = [pattern for pattern, index in self._indexes.items() if index.is_worn()]
        for pattern in worn:  # by a program that did not settle after it had removed videos
            self._indexes[pattern] = self._indexes[pattern].settled("flat")
        if worn:
            logger.info("%s: many videos were removed or added since it was built, it is searched exactly", self.place)

    def _read_queries(self, file: File) -> TextEmbedding:
        """Return the queries by which the effort is chosen.

        Raises:
            InputError: they do not fit the model.
        """
        path = self._checked(file)
        try:
            with path.open("rb") as content:
                rows = np.lib.format.read_array(content, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise InputError(f"{path}: damaged ({one_line(str(error))[:100]}); build the index anew") from None
        expected = len(self.about.dims) + sum(self.about.dims)
        if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != expected:
            raise InputError(f"{path}: found {rows.dtype} of shape {rows.shape}, expected float32 of (queries, {expected})")
        return from_rows(rows, self.about.dims)

    def _checked(self, file: File) -> Path:
        """The path of a file that is as it was written.

        Raises:
            InputError: it is not.
        """
        path, size, crc = self.folder / file.name, 0, 0
        try:
            with path.open("rb") as content:
                while part := content.read(CHUNK):
                    size, crc = size + len(part), zlib.crc32(part, crc)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); build the index anew") from None
        if (size, crc) != (file.size, file.crc):
            raise InputError(
                f"{path}: damaged: {size} bytes with CRC-32 {crc:08x}, expected {file.size} with {file.crc:08x} "
                f"by {MANIFEST}; build the index anew"
            )
        return path

    def _read(self, file: File, pattern: str, numbers: np.ndarray) -> FaissIndex:
        """The index of a pattern.

        Raises:
            InputError: it is not what it should be.
        """
        path = self._checked(file)
        faiss = require_package("faiss")
        classes = {"ivf": faiss.IndexIVFFlat}
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise InputError(f"{path}: damaged ({one_line(str(error))[:100]}); build the index anew") from None
        found = FaissIndex(file.kind or "flat", index, numbers)
        inner = index if found.kind == "ivf" else faiss.downcast_index(getattr(index, "index", index))
        right = {"flat": faiss.IndexFlat, "ivf": faiss.IndexIVFFlat, "hnsw": faiss.IndexHNSWFlat}[found.kind]
        wrapped = isinstance(index, classes.get(found.kind, faiss.IndexIDMap))
        if not wrapped or not isinstance(inner, right) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise InputError(f"{path}: found a {type(index).__name__}, expected one of kind {found.kind}")
        if index.d != width(pattern, self.about.dims):
            raise InputError(f"{path}: dimension {index.d}, expected {width(pattern, self.about.dims)} by {MANIFEST}")
        stored = found.stored
        missing = np.setdiff1d(numbers, stored)
        if len(missing) or (found.kind != "hnsw" and len(stored) != len(numbers)):
            raise InputError(f"{path}: not the {count_text(len(numbers), 'video')} of its pattern; build the index anew")
        return found
