"""Metadata of an index: the model that embedded its videos, and the videos themselves."""

import bisect
import contextlib
import itertools
import json
import operator
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pydantic
from pydantic import Field

from base.schema import PositiveInt, Section
from misc.searching.choices import IndexKind
from misc.searching.index.patterns import to_pattern
from misc.searching.windows import Windows, video_of
from utils.errors import InputError, one_line
from utils.files import read_limited

MAX_JSON_BYTES = 1 << 30  # enough for the list of ten million videos
REBUILD = "rebuild the index: misc/search.py build --checkpoint FILE"
Model = TypeVar("Model", bound=pydantic.BaseModel)


class IndexMetadata(Section):
    """The model that embedded the videos of an index, as it is stored in the index."""

    collection: str
    checkpoint: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # of the weights and the config, see `embedding`
    experts: Annotated[list[str], Field(min_length=1, max_length=1000)]  # M names
    dims: Annotated[list[PositiveInt], Field(min_length=1, max_length=1000)]  # of M' embeddings: 1 for Concat, else M
    keep_missing: bool  # missing experts count as present
    l2renorm: bool  # scores are divided by the lengths of both embeddings
    kind: IndexKind
    windows: Windows | None = None  # of long videos (None: all videos are indexed as a whole)

    @pydantic.model_validator(mode="after")
    def _check_dims(self) -> "IndexMetadata":
        if len(self.dims) not in (1, len(self.experts)):
            raise ValueError(f"{len(self.dims)} dims for {len(self.experts)} experts")
        return self

    @property
    def is_concat(self) -> bool:
        """Whether all experts share one embedding."""
        return len(self.dims) < len(self.experts)

    def pattern(self, available: str) -> str:
        """Return the pattern of a video with the availability `available`, a 0 or 1 for each of the M experts."""
        if self.keep_missing:
            return "1" * len(self.dims)
        return to_pattern(["1" in available]) if self.is_concat else available

    def check_checkpoint(self, sha256: str, checkpoint: Path, source: str) -> None:
        """Raise an InputError if the index, named `source`, was built with another checkpoint."""
        if sha256 != self.sha256:
            raise InputError(
                f"{source}: built with {self.checkpoint} (weights {self.sha256[:12]}), found {checkpoint} ({sha256[:12]}), "
                f"expected the same weights, or {REBUILD.replace('FILE', shlex.quote(str(checkpoint)))}"
            )


class VideoColumns(Section):
    """The videos of an index in the stored format: columns of ids, numbers, available experts and versions."""

    next: int
    ids: list[str]
    numbers: list[int]
    available: list[str]
    versions: list[str] = []


class IndexedVideos:
    """The items of an index, in the order in which they were added. Numbers of removed items are not used again.

    An item is a video, or a window of a long video; its id is described in `misc.searching.windows`.

    At a million videos, a dict per column would take as much memory as compressed vectors: columns are lists.

    Attributes:
        numbers: id -> number, ascending.
        columns: the videos in the stored format, in the same order.

    Raises:
        InputError: the columns are inconsistent.
    """

    def __init__(self, metadata: IndexMetadata, columns: VideoColumns | None = None, source: str = ""):
        self._metadata = metadata
        columns = columns or VideoColumns(next=0, ids=[], numbers=[], available=[])
        length, num_experts = len(columns.ids), len(metadata.experts)
        versions = columns.versions or [""] * length
        self.numbers = dict(zip(columns.ids, columns.numbers, strict=False))
        lengths = {len(self.numbers), len(columns.numbers), len(columns.available), len(versions)}
        if lengths != {length}:
            raise InputError(f"{source}: damaged: a repeated video, or columns of different lengths; {REBUILD}")
        if any(len(x) != num_experts or set(x) - {"0", "1"} for x in set(columns.available)):
            raise InputError(f"{source}: damaged: available: expected {num_experts} times 0 or 1; {REBUILD}")
        is_ascending = all(map(operator.lt, columns.numbers, itertools.islice(columns.numbers, 1, None)))
        if length and not (columns.numbers[0] >= 0 and is_ascending and columns.numbers[-1] < min(columns.next, 1 << 62)):
            raise InputError(f"{source}: damaged: numbers: expected ascending numbers below {columns.next}; {REBUILD}")
        self.columns = columns.model_copy(
            update={"versions": versions, "available": list(map(sys.intern, columns.available))}  # few different ones
        )
        self._forget_groups()

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, video: str) -> bool:
        return video in self.numbers

    @property
    def num_videos(self) -> int:
        """The number of videos, each with one item or several."""
        return len(self.by_video()) if self.has_windows else len(self)

    @property
    def has_windows(self) -> bool:
        """Whether an item is a window."""
        if self._has_windows is None:
            self._has_windows = any(video_of(item) != item for item in self.numbers)
        return self._has_windows

    def by_video(self) -> dict[str, list[str]]:
        """Return the items of each video, in order."""
        if self._by_video is not None:
            return self._by_video
        by_video: dict[str, list[str]] = {}
        for item in self.numbers:
            by_video.setdefault(video_of(item), []).append(item)
        if self.has_windows:  # otherwise, it takes memory for nothing
            self._by_video = by_video
        return by_video

    def items_of(self, video: str) -> list[str]:
        """Return the items of a video, in order; none if it is not in the index."""
        if self.has_windows:
            return self.by_video().get(video, [])
        return [video] if video in self else []

    def id_of(self, number: int) -> str:
        """Return the id of the video with a number."""
        return self.columns.ids[self._row(number)]

    def available_of(self, item: str) -> str | None:
        """Return the availability of an item, a 0 or 1 for each expert (None: it is not in the index)."""
        return None if (number := self.numbers.get(item)) is None else self.columns.available[self._row(number)]

    def version_of(self, item: str) -> str:
        """Return the version of the features of an item ("": unknown)."""
        return self.columns.versions[self._row(self.numbers[item])]

    def by_pattern(self) -> dict[str, np.ndarray]:
        """Return the numbers of the videos of each pattern, ascending."""
        if self._by_pattern is None:
            groups: dict[str, list[int]] = {}
            patterns = {available: self._metadata.pattern(available) for available in set(self.columns.available)}
            for number, available in zip(self.columns.numbers, self.columns.available, strict=True):
                groups.setdefault(patterns[available], []).append(number)
            self._by_pattern = {pattern: np.array(numbers, dtype=np.int64) for pattern, numbers in groups.items()}
        return self._by_pattern

    def add(self, videos: Sequence[str], available: Sequence[str], versions: Sequence[str] = ()) -> list[int]:
        """Add new videos and return their numbers."""
        columns = self.columns
        numbers = list(range(columns.next, columns.next + len(videos)))
        columns.next += len(videos)
        self.numbers.update(zip(videos, numbers, strict=True))
        columns.ids.extend(videos)
        columns.numbers.extend(numbers)
        columns.available.extend(map(sys.intern, available))
        columns.versions.extend(versions or [""] * len(videos))
        self._forget_groups()
        return numbers

    def remove(self, videos: Iterable[str]) -> None:
        """Remove videos."""
        for video in videos:
            del self.numbers[video]
        kept = [row for row, video in enumerate(self.columns.ids) if video in self.numbers]
        for column in (self.columns.ids, self.columns.numbers, self.columns.available, self.columns.versions):
            column[:] = [column[row] for row in kept]
        self._forget_groups()

    def _row(self, number: int) -> int:
        return bisect.bisect_left(self.columns.numbers, number)

    def _forget_groups(self) -> None:
        self._has_windows: bool | None = None
        self._by_video: dict[str, list[str]] | None = None
        self._by_pattern: dict[str, np.ndarray] | None = None


def validate(model: type[Model], content: Any, source: str) -> Model:
    """Return the content of `source` as an instance of a pydantic model."""
    with _explain_errors(source):
        return model.model_validate(content)


def read_columns(path: Path) -> VideoColumns:
    """Return the columns in a JSON file, parsed without a copy: of a million videos, it would take 100 MB."""
    with _explain_unreadable(path):
        content = read_limited(path, MAX_JSON_BYTES)
    with _explain_errors(str(path)):
        return VideoColumns.model_validate_json(content)


@contextlib.contextmanager
def _explain_errors(source: str) -> Iterator[None]:
    """Raise the first error of a validation as an InputError."""
    try:
        yield
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"{source}: damaged: {key}: {one_line(first['msg'])}; {REBUILD}") from None


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    with _explain_unreadable(path):
        return json.loads(read_limited(path, MAX_JSON_BYTES))


@contextlib.contextmanager
def _explain_unreadable(path: Path) -> Iterator[None]:
    """Raise an error of reading a JSON file as an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, expected JSON ({one_line(str(error))})") from None
