"""The feature store: a file is converted once to a cache, from which rows are read as they are needed.

A cache is an HDF5 file of contiguous blocks, which are memory-mapped, and an index. It knows the size and the time of its
source, and is made anew when they change. Start-up reads the index alone, and memory does not grow with the data.
"""

import json
import logging
import mmap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from data_loader.encoding import Encoder
from data_loader.feature_files import each_item
from utils.errors import InputError
from utils.files import atomic_write, remove_abandoned, wait_for_lock
from utils.pickle_stream import UnstreamableError
from utils.progress import byte_bar, size_text

VERSION = 1
BLOCK_BYTES = 64 << 20
# Pages of a table stay resident until they may be that many, and then the system keeps them, if it has the room. A page
# that is read may bring its neighbours along: how many, is the system's business, but no more than this.
RESIDENT_BYTES = 64 << 20
FAULT_BYTES = 2 << 20

logger = logging.getLogger(__name__)


class FeatureTable:
    """The items of one file: each a run of blocks ("spans"), each span an array of rows.

    Attributes:
        source: the file.
        names: the names of its items, or None where they are numbered.
        first: (items + 1,), the spans of item i are `first[i]` to `first[i + 1]`.
        lengths: rows of each span.
        problems: what is wrong with an item, by its index.
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
            self._dtype, self._width = np.dtype(file.attrs["dtype"]), int(file.attrs["width"])
            offsets = np.array([x.id.get_offset() or 0 for x in blocks] or [0], dtype=np.int64)
            self._addresses = offsets[block] + row * (self._width or 1) * self._dtype.itemsize
        ends = self._addresses + self.lengths * (self._width or 1) * self._dtype.itemsize
        whole = len(self.first) and self.first[-1] == len(self.lengths) and (np.diff(self.first) >= 0).all()
        if not whole or (self.lengths < 0).any() or ends.max(initial=0) > cache.stat().st_size:
            raise ValueError("an index that does not fit")
        self._map()

    def __len__(self) -> int:
        return len(self.first) - 1

    def __getstate__(self) -> dict:
        """All but the mapping, which another process makes for itself."""
        return {key: value for key, value in self.__dict__.items() if key != "_mapped"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._map()

    def read(self, span: int, limit: int | None = None) -> np.ndarray:
        """The first `limit` rows of a span: (n, width) float32, or (n,) uint8."""
        length = int(self.lengths[span])
        length = length if limit is None else min(length, limit)
        shape = (length, self._width) if self._width else (length,)
        x = np.frombuffer(self._mapped, self._dtype, length * (self._width or 1), int(self._addresses[span]))
        x = x.reshape(shape).astype(np.float32 if self._width else np.uint8)
        self._resident += x.nbytes + FAULT_BYTES
        if self._resident > RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
            self._resident = 0
        return x

    def _map(self) -> None:
        with self._cache.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._resident = 0


def open_table(source: Path, encoder: Encoder, folder: Path, refusal: str | None = None) -> FeatureTable:
    """Return the table of the file `source`, from its cache in `folder`, which is made if it is not there or out of date.

    Args:
        source: a file of features or captions.
        encoder: how its items are converted.
        folder: of caches.
        refusal: why no cache may be made there (None: it may).

    Raises:
        InputError: a file that cannot be read, or a cache that cannot, or may not, be written.
    """
    cache = folder / f"{source.name}.{encoder.tag}.h5"
    try:
        status = source.stat()
        about = {"version": VERSION, "size": status.st_size, "time": status.st_mtime_ns, "settings": encoder.settings}
        if (table := _opened(source, cache, about)) is not None:  # one without items is false
            return table
        if refusal is not None:
            raise InputError(refusal)
        folder.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(folder, str(cache)):
            if (table := _opened(source, cache, about)) is not None:  # by now
                return table
            if _is_of(cache, about):
                logger.warning("%s: damaged, it is made anew", cache)
            _convert(source, encoder, cache, json.dumps(about))
        return FeatureTable(source, cache)
    except OSError as error:
        raise InputError(
            f"{error.filename or cache}: {error.strerror or error} (the cache of {source} goes there; "
            "data_loader.args.cache_dir chooses another place)"
        ) from None


def _opened(source: Path, cache: Path, about: dict) -> FeatureTable | None:
    """The table in a cache, if it is there, whole, and made of what `about` describes."""
    if not _is_of(cache, about):
        return None
    try:
        return FeatureTable(source, cache)
    except (OSError, KeyError, ValueError, IndexError, RuntimeError, TypeError):
        return None


def _is_of(cache: Path, about: dict) -> bool:
    """Whether a cache is there, and made of what `about` describes."""
    try:
        with h5py.File(cache, "r") as file:
            return json.loads(file.attrs["about"]) == about
    except (OSError, KeyError, ValueError):
        return False


def _convert(source: Path, encoder: Encoder, cache: Path, about: str) -> None:
    started = time.perf_counter()
    remove_abandoned(cache)
    attempts = [{"stream": stream, "half": half} for stream in (True, False) for half in (True, False)]
    with byte_bar(f"converting {source.name}", source.stat().st_size) as bar:
        while attempts:
            bar.reset()
            try:
                with atomic_write(cache) as file, h5py.File(file, "w") as container:
                    container.attrs["about"] = np.bytes_(
                        about
                    )  # of fixed length: the library may hang on a damaged other one
                    _write(container, source, encoder, bar.update, **attempts[0])
                break
            except UnstreamableError:
                attempts = [attempt for attempt in attempts if not attempt["stream"]]
            except _NotHalfError:
                attempts = [attempt for attempt in attempts if not attempt["half"]]
    sizes = [size_text(path.stat().st_size) for path in (source, cache)]
    logger.info("converted %s (%s) to %s (%s) in %.1f s", source, sizes[0], cache, sizes[1], time.perf_counter() - started)


class _NotHalfError(Exception):
    """A file does not hold float16 alone."""


def _write(
    file: h5py.File, source: Path, encoder: Encoder, advance: Callable[[int], None], stream: bool, half: bool
) -> None:
    """Write all blocks and the index of one conversion.

    Raises:
        UnstreamableError, _NotHalfError: it has to be tried without `stream`, or without `half`.
    """
    dtype = np.dtype(np.uint8 if encoder.width is None else np.float16 if half else np.float32)
    blocks = _Blocks(file.create_group("blocks"), dtype, encoder.width)
    names, problems, first, lengths, block, row = [], {}, [0], [], [], []

    def keep(name: Any, value: Any) -> None:
        try:
            arrays = encoder.encode(source, name, value)
        except InputError as error:  # told when somebody asks for this video
            problems[len(names)] = str(error)
            arrays = []
        if half and any(len(x) and x.dtype == np.float32 for x in arrays):
            raise _NotHalfError
        names.append(name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name))
        for x, (in_block, at_row) in zip(arrays, blocks.add(arrays), strict=True):
            lengths.append(len(x))
            block.append(in_block)
            row.append(at_row)
        first.append(len(lengths))

    kind = each_item(source, keep, stream, advance)
    blocks.flush()
    file.attrs["dtype"], file.attrs["width"] = np.bytes_(dtype.str), encoder.width or 0
    for key, content in (("names", names if kind == "dict" else None), ("problems", problems)):
        file[key] = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
    for key, numbers in (("first", first), ("lengths", lengths), ("block", block), ("row", row)):
        file[key] = np.array(numbers, dtype=np.int64)


class _Blocks:
    """Collects rows to blocks of a size that memory can hold. The rows of an item lie together."""

    def __init__(self, group: h5py.Group, dtype: np.dtype, width: int | None):
        self.group = group
        self.dtype = dtype
        self.rows_per_block = BLOCK_BYTES // (dtype.itemsize * (width or 1))
        self.pending: list[np.ndarray] = []
        self.num_pending = 0

    def add(self, arrays: list[np.ndarray]) -> list[tuple[int, int]]:
        """Take the arrays of one item: of each, its block and its first row there."""
        if self.num_pending + sum(map(len, arrays)) > self.rows_per_block:
            self.flush()
        places = []
        for x in arrays:
            places.append((len(self.group), self.num_pending))
            if len(x):
                self.pending.append(x.astype(self.dtype, copy=True))
                self.num_pending += len(x)
        return places

    def flush(self) -> None:
        """Write what is pending as a block."""
        if self.pending:
            self.group.create_dataset(str(len(self.group)), data=np.concatenate(self.pending))
        self.pending, self.num_pending = [], 0
