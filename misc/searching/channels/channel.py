"""The interface of a channel of search, and of the reasons that it gives."""

import dataclasses
from typing import NamedTuple, Protocol


@dataclasses.dataclass(frozen=True)
class Evidence:
    """A reason why a channel found a video."""

    source: str  # "captions", "name", "frame", or the expert whose words or features match
    text: str  # the words that match, the name of a concept, or the number of a frame, from 0, among those embedded
    positions: list[int] = dataclasses.field(default_factory=list)  # of the words in `Collection.get_words(video)[source]`
    probability: float | None = None  # of a concept, or that a frame matches (None: unknown)
    similar: bool = False  # the words are similar to those of the query, not equal
    times: list[tuple[float, float]] = dataclasses.field(default_factory=list)  # start and end in seconds, if known


class ChannelHit(NamedTuple):
    """A video that a channel found."""

    id: str
    score: float  # higher is better; comparable within a query and a channel only
    evidence: list[Evidence]


class Channel(Protocol):
    """A ranking of the videos of a collection."""

    name: str

    def search(self, text: str, k: int) -> list[ChannelHit]:
        """Return at most k videos, the best first; none if the channel knows nothing of the query."""

    def describe(self) -> str:
        """Return a line about the content of the channel."""

    def close(self) -> None:
        """Release files."""
