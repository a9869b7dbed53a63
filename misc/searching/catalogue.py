"""Which videos an index holds."""

import sys
from collections.abc import Iterable, Sequence

import numpy as np

from misc.searching.about import About, Part
from utils.errors import InputError


class Columns(Part):
    """The videos as they are written: of each, its id, its number, a 0 or 1 for each expert, and of which version it is."""

    next: int
    ids: list[str]
    numbers: list[int]
    available: list[str]
    versions: list[str] = []


class Catalogue:
    """The videos of an index, in the order in which they came, each with a number that no other has ever had.

    Args:
        about: the model.
        columns: what was written.
        place: where, for messages.

    Attributes:
        available: id -> a 0 or 1 for each expert.
        numbers: id -> number, ascending.
        versions: id -> what tells whether the experts of the video have changed since ("" where nothing does).
        next: the next number.

    Raises:
        InputError: columns that do not go together.
    """

    def __init__(self, about: About, columns: Columns | None = None, place: str = ""):
        self._about = about
        columns = columns or Columns(next=0, ids=[], numbers=[], available=[])
        length, experts = len(columns.ids), len(about.experts)
        versions = columns.versions or [""] * length
        numbers = np.array(columns.numbers, dtype=object)
        if len(set(columns.ids)) < length or {len(columns.numbers), len(columns.available), len(versions)} != {length}:
            raise InputError(f"{place}: damaged: a video twice, or lists of different lengths; build the index anew")
        known = set(columns.available)
        if any(len(x) != experts or set(x) - {"0", "1"} for x in known):
            raise InputError(f"{place}: damaged: available: expected {experts} times 0 or 1; build the index anew")
        if length and (numbers[0] < 0 or (np.diff(numbers) <= 0).any() or numbers[-1] >= min(columns.next, 1 << 62)):
            raise InputError(f"{place}: damaged: numbers: expected them to grow, below {columns.next}; build the index anew")
        self.next = columns.next
        self.numbers = dict(zip(columns.ids, columns.numbers, strict=True))
        self.available = {video: sys.intern(x) for video, x in zip(columns.ids, columns.available, strict=True)}
        self.versions = dict(zip(columns.ids, versions, strict=True))
        self._by_number: dict[int, str] | None = None
        self._by_pattern: dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, video: str) -> bool:
        return video in self.numbers

    @property
    def ids(self) -> list[str]:
        """The videos in their order."""
        return list(self.numbers)

    @property
    def columns(self) -> Columns:
        """What is to be written."""
        numbers, available = list(self.numbers.values()), list(self.available.values())
        versions = [self.versions[video] for video in self.numbers]
        return Columns(next=self.next, ids=self.ids, numbers=numbers, available=available, versions=versions)

    def video(self, number: int) -> str:
        """The video of a number."""
        if self._by_number is None:
            self._by_number = {number: video for video, number in self.numbers.items()}
        return self._by_number[number]

    def pattern(self, video: str) -> str:
        """The pattern of a video."""
        return self._about.pattern(self.available[video])

    def by_pattern(self) -> dict[str, np.ndarray]:
        """Pattern -> the numbers of its videos, ascending."""
        if self._by_pattern is None:
            groups: dict[str, list[int]] = {}
            patterns = {available: self._about.pattern(available) for available in set(self.available.values())}
            for number, available in zip(self.numbers.values(), self.available.values(), strict=True):
                groups.setdefault(patterns[available], []).append(number)
            self._by_pattern = {pattern: np.array(numbers, dtype=np.int64) for pattern, numbers in groups.items()}
        return self._by_pattern

    def add(self, videos: Sequence[str], available: Sequence[str], versions: Sequence[str] | None = None) -> list[int]:
        """Take videos that are not there: their numbers."""
        numbers = list(range(self.next, self.next + len(videos)))
        self.next += len(videos)
        self.numbers.update(zip(videos, numbers, strict=True))
        self.available.update(zip(videos, map(sys.intern, available), strict=True))
        self.versions.update(zip(videos, versions or [""] * len(videos), strict=True))
        self._by_number = self._by_pattern = None
        return numbers

    def remove(self, videos: Iterable[str]) -> None:
        """Drop videos that are there."""
        for video in videos:
            del self.numbers[video], self.available[video], self.versions[video]
        self._by_number = self._by_pattern = None
