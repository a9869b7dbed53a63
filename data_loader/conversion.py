"""Converting a feature file to a cache file: each item is checked, and becomes a list of sequences of rows.

An item is the entry of one video in a file. The features of an expert are one sequence, or none if the expert is missing;
captions are one sequence each.

The encoders of items have three attributes: `tag`, the part of the cache's name that distinguishes the caches of one file;
`settings`, which the result depends on, so that a cache with others is out of date; `width`, the number of numbers in a row
(None: a row is one byte). Every `encode(path, name, value)` raises an `InputError` if an item has another type or shape, or
invalid numbers; `path` and `name` are for its message.
"""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from data_loader.experts import Expert
from data_loader.readers import read_items
from data_loader.readers.pickle_file import UnstreamableError
from utils.errors import InputError
from utils.files import atomic_write, remove_abandoned
from utils.progress import byte_bar, size_text

BLOCK_BYTES = 64 << 20

logger = logging.getLogger(__name__)


class FeatureEncoder:
    """The features of an expert: one sequence per video, aggregated by avg or max unless the model does it (vlad).

    The expert is missing if the value is the float NaN or an empty array, or if its first number is NaN.

    Args:
        only_nan_is_missing: whether only the float NaN means that the expert is missing, as in the corrected release: zeros
            are present, and so is an empty sequence (only with vlad; it is an error otherwise).
        zeros_are_missing: whether a value of zeros means that the expert is missing, and not only NaN or an empty vector;
            otherwise an empty sequence has no frames, but is present.
        zeros_pad: whether frames of zeros at the end of a sequence are padding, which is dropped (only with vlad).
    """

    def __init__(
        self,
        expert: Expert,
        zeros_are_missing: bool = True,
        zeros_pad: bool = False,
        only_nan_is_missing: bool = False,
    ):
        self.expert, self.only_nan_is_missing = expert, only_nan_is_missing
        self.zeros_are_missing = zeros_are_missing and not only_nan_is_missing
        self.zeros_pad = zeros_pad and expert.aggregation == "vlad"
        self.tag, self.width = f"{expert.aggregation}-{expert.dim}", expert.dim
        self.settings = {key: getattr(expert, key) for key in ("dim", "kind", "aggregation")}
        self.settings["zeros_are_missing"] = self.zeros_are_missing
        if self.zeros_pad:
            self.settings["zeros_pad"] = True
        if only_nan_is_missing:
            self.settings["only_nan_is_missing"] = True

    def encode(self, path: Path, name: Any, value: Any) -> list[np.ndarray]:
        """Return the features of a video, (T, dim) or (1, dim), as the only sequence; no sequence if they are missing."""
        expert = self.expert
        x = _as_array(path, f"'{name}'", value, f"(T, {expert.dim})")
        if x.size == 0 and x.dtype != object:
            has_no_frames = expert.aggregation == "vlad" and not self.zeros_are_missing
            if self.only_nan_is_missing and not has_no_frames:
                expected = f"expected numbers of dimension {expert.dim}, or NaN where it is missing"
                raise InputError(f"{path}: '{name}' is empty, {expected}")
            return [np.zeros((0, expert.dim), dtype=np.float16)] if has_no_frames else []
        if x.ndim == 0 and x.dtype.kind == "f" and np.isnan(x):
            return []
        if x.ndim == 1:
            x = x[None]
        if not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x) or x.ndim != 2:
            found = f"{x.dtype} of shape {x.shape}"
            raise InputError(f"{path}: '{name}' is {found}, expected numbers of shape (T, {expert.dim})")
        if np.isnan(x[0, 0]) and not self.only_nan_is_missing:
            return []
        if x.shape[1] != expert.dim:
            raise InputError(f"{path}: '{name}' has dimension {x.shape[1]}, expected {expert.dim}")
        if expert.kind == "vector" and len(x) > 1:
            raise InputError(f"{path}: '{name}' has {len(x)} rows, expected one: its kind is vector (or is it a sequence?)")
        x = _as_floats(path, f"'{name}'", x)
        if self.zeros_are_missing and not x.any():
            return []
        if self.zeros_pad:
            x = x[: len(x) - int(np.argmax(x[::-1].any(axis=1)))] if x.any() else x[:0]
        if expert.aggregation in ("avg", "max"):
            x = x.astype(np.float32)
            with np.errstate(over="ignore"):  # the sum of finite numbers may be infinite
                x = x.max(axis=0, keepdims=True) if expert.aggregation == "max" else x.mean(axis=0, keepdims=True)
            x = _as_floats(path, f"the average of '{name}'", x)
        return [x]


class CaptionEncoder:
    """The captions of a video as word vectors; a single array (words, text_dim) is one caption."""

    def __init__(self, text_dim: int):
        self.tag, self.width = f"text-{text_dim}", text_dim
        self.settings = {"text_dim": text_dim}

    def encode(self, path: Path, name: Any, value: Any) -> list[np.ndarray]:
        """Return the word vectors of each caption of a video, (words, text_dim)."""
        if isinstance(value, np.ndarray) and value.dtype != object and value.ndim <= 2:
            value = [value]
        return [self._caption(path, f"caption {k} of '{name}'", x) for k, x in enumerate(_as_list(path, name, value))]

    def _caption(self, path: Path, item: str, value: Any) -> np.ndarray:
        x = _as_array(path, item, value, f"(words, {self.width})")
        if x.size == 0 and x.dtype != object:
            return np.zeros((0, self.width), dtype=np.float16)
        if not np.issubdtype(x.dtype, np.floating) or x.ndim != 2 or x.shape[1] != self.width:
            found = f"{x.dtype} of shape {x.shape}"
            raise InputError(f"{path}: {item} is {found}, expected floats of shape (words, {self.width})")
        x = _as_floats(path, item, x)
        with np.errstate(all="ignore"):
            square = np.vdot(x, x) if x.dtype == np.float32 else 0
        if not np.isfinite(square):  # the model computes norms
            raise InputError(f"{path}: {item} holds numbers whose squares overflow (as float32), expected smaller ones")
        return x


class RawCaptionEncoder:
    """The captions of a video as text, in UTF-8."""

    tag = "raw"
    settings: dict[str, Any] = {}
    width = None

    def encode(self, path: Path, name: Any, value: Any) -> list[np.ndarray]:
        """Return the bytes of each caption of a video, (n,) uint8."""
        texts = [x if isinstance(x, str) else self._join_words(path, name, x) for x in _as_list(path, name, value)]
        try:
            return [np.frombuffer(text.encode("utf-8", "surrogateescape"), dtype=np.uint8) for text in texts]
        except UnicodeEncodeError as error:
            raise InputError(f"{path}: '{name}' has invalid letters ({error.reason}), expected text") from None

    def _join_words(self, path: Path, name: Any, caption: Any) -> str:
        words = [x.decode("utf-8", "surrogateescape") if isinstance(x, bytes) else x for x in _as_list(path, name, caption)]
        if other := [word for word in words if not isinstance(word, str)]:
            raise InputError(f"{path}: '{name}' has a {type(other[0]).__name__} for a word, expected text")
        return " ".join(words)


Encoder: TypeAlias = FeatureEncoder | CaptionEncoder | RawCaptionEncoder


def _as_floats(path: Path, item: str, x: np.ndarray) -> np.ndarray:
    """Return `x` as it is if it is float16, as float32 otherwise."""
    with np.errstate(over="ignore"):
        x = x if x.dtype == np.float16 else x.astype(np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{path}: {item} holds NaN or inf (as float32), expected finite numbers")
    return x


def _as_array(path: Path, item: str, value: Any, shape: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(f"{path}: {item} has rows of different lengths, expected numbers of shape {shape}") from None


def _as_list(path: Path, name: Any, captions: Any) -> list:
    """Return the captions of a video, or the words of a caption, as a list."""
    if not isinstance(captions, list | tuple) and not (isinstance(captions, np.ndarray) and captions.ndim):
        raise InputError(f"{path}: '{name}' is a {type(captions).__name__}, expected a list of captions")
    return list(captions)


def convert(source: Path, encoder: Encoder, cache: Path, origin: str) -> None:
    """Write the cache of a file, as float16 if that loses nothing, and item by item if the file can be read so.

    Args:
        origin: a description of `source` and `encoder`, stored with the cache.

    Raises:
        InputError: a file that cannot be read.
        OSError: the disk is full, for example.
    """
    start = time.perf_counter()
    remove_abandoned(cache)
    stream, float16 = True, True
    with byte_bar(f"converting {source.name}", source.stat().st_size) as bar:
        while True:
            bar.reset()
            try:
                with atomic_write(cache) as file, h5py.File(file, "w") as container:
                    # Of fixed length: the library may hang on a damaged text of variable length.
                    container.attrs["about"] = np.bytes_(origin)
                    _write_cache(container, source, encoder, bar.update, stream, float16)
                break
            except UnstreamableError:
                stream = False
            except _NotFloat16Error:
                float16 = False
    sizes = [size_text(path.stat().st_size) for path in (source, cache)]
    logger.info("converted %s (%s) to %s (%s) in %.1f s", source, sizes[0], cache, sizes[1], time.perf_counter() - start)


class _NotFloat16Error(Exception):
    """A file holds numbers that float16 cannot."""


def _write_cache(
    file: h5py.File, source: Path, encoder: Encoder, advance: Callable[[int], object], stream: bool, float16: bool
) -> None:
    """Convert the file `source` to a cache: blocks of rows, and an index of where each sequence is.

    An invalid item is not an error until it is used. After an `UnstreamableError` or a `_NotFloat16Error` the conversion has
    to be repeated without `stream`, or without `float16`.
    """
    dtype = np.dtype(np.uint8 if encoder.width is None else np.float16 if float16 else np.float32)
    blocks = _BlockWriter(file.create_group("blocks"), dtype, encoder.width)
    names: list[str] = []
    problems: dict[int, str] = {}
    positions: list[tuple[int, int, int]] = []  # of each sequence: its length, its block, and its first row in that
    first = [0]
    by_row, items = read_items(source, stream, advance)
    for name, value in items:
        try:
            sequences = encoder.encode(source, name, value)
        except InputError as error:
            problems[len(names)] = str(error)
            sequences = []
        if float16 and any(len(x) and x.dtype == np.float32 for x in sequences):
            raise _NotFloat16Error
        names.append(name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name))
        positions += blocks.add(sequences)
        first.append(len(positions))
    blocks.flush()
    file.attrs["dtype"], file.attrs["width"] = np.bytes_(dtype.str), encoder.width or 0
    for key, content in (("names", None if by_row else names), ("problems", problems)):
        file[key] = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
    file["first"] = np.array(first, dtype=np.int64)
    file["lengths"], file["block"], file["row"] = np.array(positions, dtype=np.int64).reshape(-1, 3).T


class _BlockWriter:
    """A writer of rows in blocks that fit into memory; the sequences of an item are in one block."""

    def __init__(self, group: h5py.Group, dtype: np.dtype, width: int | None):
        self.group, self.dtype = group, dtype
        self.rows_per_block = BLOCK_BYTES // (dtype.itemsize * (width or 1))
        self.pending: list[np.ndarray] = []
        self.num_pending = 0

    def add(self, sequences: list[np.ndarray]) -> list[tuple[int, int, int]]:
        """Take the sequences of one item, and return the length, the block and the first row of each."""
        num_rows = sum(map(len, sequences))
        if num_rows and self.num_pending + num_rows > self.rows_per_block:  # empty sequences need no block of their own
            self.flush()
        positions = []
        for x in sequences:
            positions.append((len(x), len(self.group), self.num_pending))
            self.pending.append(x.astype(self.dtype, copy=True))
            self.num_pending += len(x)
        return positions

    def flush(self) -> None:
        """Write the pending rows as a block."""
        if self.num_pending:
            self.group.create_dataset(str(len(self.group)), data=np.concatenate(self.pending))
        self.pending, self.num_pending = [], 0
