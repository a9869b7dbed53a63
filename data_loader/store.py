"""The feature store: the experts and captions of videos, read from memory-mapped cache files.

A cache is an HDF5 file of contiguous blocks and an index. It stores the size and time of its source, and is made again when
these change. Only the index is read when a cache is opened, and memory does not grow with the data.
"""

import json
import logging
import mmap
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from data_loader.conversion import Encoder, convert
from utils.errors import InputError, count_text
from utils.files import wait_for_lock

VERSION = 1
# Pages of a table stay resident up to this size; then the system decides which it keeps. Reading a page may load up to
# `FAULT_BYTES` of its neighbors too.
RESIDENT_BYTES = 64 << 20
FAULT_BYTES = 2 << 20

logger = logging.getLogger(__name__)


class FeatureTable:
    """The items of the feature file `source`, each with any number of sequences, which are numbered over all items.

    Attributes:
        names: the names of the items, or None if they are rows of an array.
        first: (items + 1,), the sequences of item i are `first[i]` to `first[i + 1] - 1`.
        lengths: (sequences,), the number of rows of each sequence.
        problems: item -> the error message of an invalid item.
    """

    def __init__(self, source: Path, cache: Path):
        self.source = source
        self._cache = cache
        with h5py.File(cache, "r") as file:
            self.names = json.loads(file["names"][()].tobytes())
            self.problems = {int(item): text for item, text in json.loads(file["problems"][()].tobytes()).items()}
            self.first, self.lengths = file["first"][()], file["lengths"][()]
            block, row = file["block"][()], file["row"][()]
            blocks = [file["blocks"][str(i)] for i in range(len(file["blocks"]))]
            width = int(file.attrs["width"])
            self._row = np.dtype((np.dtype(file.attrs["dtype"]), (width,) if width else ()))
            offsets = np.array([x.id.get_offset() or 0 for x in blocks] or [0], dtype=np.int64)
            self._addresses = offsets[block] + row * self._row.itemsize
        ends = self._addresses + self.lengths * self._row.itemsize
        is_index = len(self.first) and self.first[-1] == len(self.lengths) and (np.diff(self.first) >= 0).all()
        if not is_index or (self.lengths < 0).any() or ends.max(initial=0) > cache.stat().st_size:
            raise ValueError("an index that does not fit the file")
        with cache.open("rb") as file:
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._resident = 0

    def __len__(self) -> int:
        return len(self.first) - 1

    def __reduce__(self) -> tuple:
        """Return how another process opens the table again."""
        return FeatureTable, (self.source, self._cache)

    def sequences(self, item: int) -> range:
        """Return the numbers of the sequences of an item, none for item -1."""
        return range(self.first[item], self.first[item + 1]) if item >= 0 else range(0)

    def read(self, sequence: int, max_rows: int | None = None) -> np.ndarray:
        """Return the first `max_rows` rows (None: all) of a sequence: (n, width) float32, or (n,) uint8."""
        length = int(self.lengths[sequence])
        length = length if max_rows is None else min(length, max_rows)
        x = np.frombuffer(self._mapping, self._row, length, int(self._addresses[sequence]))
        x = x.astype(np.float32 if self._row.shape else np.uint8)
        self._resident += x.nbytes + FAULT_BYTES
        if self._resident > RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._resident = 0
        return x

    def raise_problem(self, items: np.ndarray) -> None:
        """Raise an `InputError` if one of `items` is invalid."""
        if refused := self.problems.keys() & items.tolist():
            raise InputError(self.problems[min(refused)])


def open_table(source: Path, encoder: Encoder, folder: Path, refusal: str | None) -> FeatureTable:
    """Return the table of the file `source`, from its cache in `folder`, which is made if it is absent or out of date.

    Args:
        encoder: how the items of the file are checked and converted, see `data_loader.conversion`.
        refusal: the reason why no cache may be made there (None: it may).

    Raises:
        InputError: a file that cannot be read, or a cache that cannot, or may not, be written.
    """
    cache = folder / f"{source.name}.{encoder.tag}.h5"
    try:
        status = source.stat()
        origin = {"version": VERSION, "size": status.st_size, "time": status.st_mtime_ns, "settings": encoder.settings}
        if (table := _open_cache(source, cache, origin)) is not None:  # a table without items is false
            return table
        if refusal is not None:
            raise InputError(refusal)
        folder.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(folder, str(cache)):
            if (table := _open_cache(source, cache, origin)) is not None:  # another process has made it
                return table
            if _is_from(cache, origin):
                logger.warning("%s: damaged, it is made anew", cache)
            convert(source, encoder, cache, json.dumps(origin))
        return FeatureTable(source, cache)
    except OSError as error:
        raise InputError(
            f"{error.filename or cache}: {error.strerror or error} (the cache of {source} goes there; "
            "data_loader.args.cache_dir chooses another place)"
        ) from None


def _open_cache(source: Path, cache: Path, origin: dict) -> FeatureTable | None:
    """Return the table in a cache, None if the cache is missing, damaged or out of date."""
    try:
        return FeatureTable(source, cache) if _is_from(cache, origin) else None
    except (OSError, KeyError, ValueError, IndexError, RuntimeError, TypeError):
        return None


def _is_from(cache: Path, origin: dict) -> bool:
    """Return whether a cache exists and is of this source and these settings."""
    try:
        with h5py.File(cache, "r") as file:
            return json.loads(file.attrs["about"]) == origin
    except (OSError, KeyError, ValueError):
        return False


class Features:
    """One expert of V videos: `features[v]` is (T, dim) or (dim,) float32, or None where it is missing.

    Args:
        items: (V,), the item of each video in the table (-1: none).
        sequential: whether the value of a video is a sequence (T, dim) instead of a vector (dim,).

    Attributes:
        available: (V,), true for videos that have the expert.
    """

    def __init__(self, table: FeatureTable, items: np.ndarray, sequential: bool):
        self._table, self._items, self._sequential = table, items, sequential
        self.available = (items >= 0) & (table.first[items] < table.first[items + 1])

    def __getitem__(self, index: int) -> np.ndarray | None:
        return self.get(index)

    def get(self, index: int, max_frames: int | None = None) -> np.ndarray | None:
        """Return the expert of a video, with no more than `max_frames` frames."""
        if not self.available[index]:
            return None
        x = self._table.read(self._table.first[self._items[index]], max_frames)
        return x if self._sequential else x[0]


class RawCaptions:
    """The captions of V videos as text, also those without a word: `texts[v]` is a list.

    Args:
        items: (V,), the item of each video in the table (-1: none).
    """

    def __init__(self, table: FeatureTable, items: np.ndarray):
        self.source = table.source
        self._table, self._items = table, items

    def __getitem__(self, index: int) -> list[str]:
        return [self.get(index, position) for position in range(self.count(index))]

    def count(self, index: int) -> int:
        """Return how many captions a video has."""
        return len(self._table.sequences(self._items[index]))

    def get(self, index: int, position: int) -> str:
        """Return one caption of a video."""
        sequence = self._table.sequences(self._items[index])[position]
        return self._table.read(sequence).tobytes().decode("utf-8", "surrogateescape")


class Captions:
    """The captions of V videos, except those without a word.

    Args:
        vectors, items: the table of word vectors, and the item of each video in it, (V,).
        texts: the same captions as text (None: unknown).
        ids: the names of the videos, (V,), for names of captions and messages.
        chosen: per video, the position of the only caption to use (None: all are used).
        fuse: whether to join the captions of a video to one.
        max_captions: the largest number of captions per video (None: all).

    Raises:
        InputError: a video has no caption with a word.
    """

    def __init__(
        self,
        vectors: FeatureTable,
        items: np.ndarray,
        texts: RawCaptions | None,
        ids: Sequence[str],
        chosen: Sequence[int] | None = None,
        fuse: bool = False,
        max_captions: int | None = None,
    ):
        self._vectors, self._texts, self._ids, self._fuse = vectors, texts, ids, fuse
        self._first = vectors.first[items]  # (V,), the sequence of the first caption in the file
        self._positions: list[list[list[int]]] = []  # per video and caption: its position in the file, several if fused
        self._without_text: dict[int, str] = {}  # video -> how many texts and captions it has
        num_empty = 0
        for v, (video, item) in enumerate(zip(ids, items, strict=True)):
            lengths = vectors.lengths[vectors.first[item] : vectors.first[item + 1]]
            if texts is not None and texts.count(v) != len(lengths):
                self._without_text[v] = f"'{video}' has {texts.count(v)} of {len(lengths)}"
            used = np.arange(len(lengths)) if chosen is None else np.array([chosen[v]])
            positions = used[lengths[used] > 0].tolist()
            if not positions:
                raise InputError(f"{vectors.source}: no caption of video '{video}' has a word, expected at least one")
            num_empty += len(used) - len(positions)
            self._positions.append([positions] if fuse else [[position] for position in positions[:max_captions]])
        if num_empty:
            logger.warning("%s: left out: %s without a word", vectors.source, count_text(num_empty, "caption"))
        if self._without_text:
            problem = f"for {len(self._without_text)} of {len(ids)} videos, first {next(iter(self._without_text.values()))}"
            logger.warning("%s: not as many texts as captions %s; theirs are left out", texts.source, problem)

    def count(self, index: int) -> int:
        """Return how many captions a video has."""
        return len(self._positions[index])

    def name(self, index: int, k: int) -> str:
        """Return the name of caption k of a video: `<video>#<position in the file, from 0>`, or `<video>` if it is fused."""
        return self._ids[index] if self._fuse else f"{self._ids[index]}#{self.position(index, k)}"

    def position(self, index: int, k: int) -> int:
        """Return the position in the file of caption k of a video, 0 if its captions are fused."""
        return 0 if self._fuse else self._positions[index][k][0]

    def vectors(self, index: int, k: int, max_words: int | None = None) -> np.ndarray:
        """Return the first `max_words` words (None: all) of caption k of a video: (words, text_dim) float32."""
        parts = [self._vectors.read(self._first[index] + position, max_words) for position in self._positions[index][k]]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)[:max_words]

    def text(self, index: int, k: int) -> str:
        """Return caption k of a video as text, "" if it is unknown."""
        if self._texts is None or index in self._without_text:
            return ""
        return " ".join(self._texts.get(index, position) for position in self._positions[index][k])
