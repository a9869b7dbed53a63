"""Metadata of an index: the model that embedded its videos, and the videos themselves."""

import json
import sys
from collections.abc import Iterable, Sequence
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
REBUILD = "rebuild the index: misc/search.py build"
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
                f"expected the same weights, or {REBUILD}"
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

    Attributes:
        available: id -> availability, a 0 or 1 for each expert.
        numbers: id -> number, ascending.
        versions: id -> version of the video's features ("": unknown).
        next: the next number.

    Raises:
        InputError: the columns are inconsistent.
    """

    def __init__(self, metadata: IndexMetadata, columns: VideoColumns | None = None, source: str = ""):
        self._metadata = metadata
        columns = columns or VideoColumns(next=0, ids=[], numbers=[], available=[])
        length, num_experts = len(columns.ids), len(metadata.experts)
        versions = columns.versions or [""] * length
        numbers = np.array(columns.numbers, dtype=object)
        if len(set(columns.ids)) < length or {len(columns.numbers), len(columns.available), len(versions)} != {length}:
            raise InputError(f"{source}: damaged: a repeated video, or columns of different lengths; {REBUILD}")
        if any(len(x) != num_experts or set(x) - {"0", "1"} for x in set(columns.available)):
            raise InputError(f"{source}: damaged: available: expected {num_experts} times 0 or 1; {REBUILD}")
        if length and (numbers[0] < 0 or (np.diff(numbers) <= 0).any() or numbers[-1] >= min(columns.next, 1 << 62)):
            raise InputError(f"{source}: damaged: numbers: expected ascending numbers below {columns.next}; {REBUILD}")
        self.next = columns.next
        self.numbers = dict(zip(columns.ids, columns.numbers, strict=True))
        self.available = {video: sys.intern(x) for video, x in zip(columns.ids, columns.available, strict=True)}
        self.versions = dict(zip(columns.ids, versions, strict=True))
        self._by_number: tuple[np.ndarray, list[str]] | None = None  # numbers, ascending, and their ids
        self._by_video: dict[str, list[str]] | None = None
        self._by_pattern: dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, video: str) -> bool:
        return video in self.numbers

    @property
    def ids(self) -> list[str]:
        """The ids of all videos, in order."""
        return list(self.numbers)

    @property
    def columns(self) -> VideoColumns:
        """The videos in the stored format."""
        columns = {name: list(getattr(self, name).values()) for name in ("numbers", "available", "versions")}
        return VideoColumns(next=self.next, ids=self.ids, **columns)

    def by_video(self) -> dict[str, list[str]]:
        """Return the items of each video, in order."""
        if self._by_video is None:
            self._by_video = {}
            for item in self.numbers:
                self._by_video.setdefault(video_of(item), []).append(item)
        return self._by_video

    def id_of(self, number: int) -> str:
        """Return the id of the video with a number."""
        if self._by_number is None:
            self._by_number = np.fromiter(self.numbers.values(), np.int64, len(self.numbers)), list(self.numbers)
        numbers, ids = self._by_number
        return ids[int(np.searchsorted(numbers, number))]

    def by_pattern(self) -> dict[str, np.ndarray]:
        """Return the numbers of the videos of each pattern, ascending."""
        if self._by_pattern is None:
            groups: dict[str, list[int]] = {}
            patterns = {available: self._metadata.pattern(available) for available in set(self.available.values())}
            for number, available in zip(self.numbers.values(), self.available.values(), strict=True):
                groups.setdefault(patterns[available], []).append(number)
            self._by_pattern = {pattern: np.array(numbers, dtype=np.int64) for pattern, numbers in groups.items()}
        return self._by_pattern

    def add(self, videos: Sequence[str], available: Sequence[str], versions: Sequence[str] = ()) -> list[int]:
        """Add new videos and return their numbers."""
        numbers = list(range(self.next, self.next + len(videos)))
        self.next += len(videos)
        self.numbers.update(zip(videos, numbers, strict=True))
        self.available.update(zip(videos, map(sys.intern, available), strict=True))
        self.versions.update(zip(videos, versions or [""] * len(videos), strict=True))
        self._by_number = self._by_pattern = self._by_video = None
        return numbers

    def remove(self, videos: Iterable[str]) -> None:
        """Remove videos."""
        for video in videos:
            del self.numbers[video], self.available[video], self.versions[video]
        self._by_number = self._by_pattern = self._by_video = None


def validate(model: type[Model], content: Any, source: str) -> Model:
    """Return the content of `source` as an instance of a pydantic model."""
    try:
        return model.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"{source}: damaged: {key}: {one_line(first['msg'])}; {REBUILD}") from None


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    try:
        return json.loads(read_limited(path, MAX_JSON_BYTES))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, expected JSON ({one_line(str(error))})") from None
