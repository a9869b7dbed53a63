"""The interface of a channel of search, and of the reasons that it gives."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from misc.searching.windows import Moment, Span


@dataclasses.dataclass(frozen=True)
class Evidence:
    """A reason why a channel found a video."""

    source: str  # "captions", "name", "frame", or the expert whose words or features match
    text: str  # the words that match, the name of a concept, or the number of a frame, from 0, among those embedded
    # Of the words in `CutCollection.get_words`, in the best moment of a long video.
    positions: list[int] = dataclasses.field(default_factory=list)
    probability: float | None = None  # of a concept, or that a frame matches (None: unknown)
    similar: bool = False  # the words are similar to those of the query, not equal
    misspelled: bool = False  # none of these is a shorter or longer form of one of the query
    times: list[Span] = dataclasses.field(default_factory=list)  # of the words at `positions` or the frame, empty if unknown


class ChannelHit(NamedTuple):
    """A video that a channel found."""

    id: str
    score: float  # higher is better; comparable within a query and a channel only
    evidence: list[Evidence]
    moments: Sequence[Moment] = ()  # the best windows of a long video, with scores of the channel
    confidence: float = 1.0  # from 0 to 1, for its weight in a fusion
    is_partial: bool = False  # it has less than half of the words of a short query

    @property
    def is_misspelled(self) -> bool:
        """Whether it only has words that differ from those of the query by typos."""
        return bool(self.evidence) and all(evidence.misspelled for evidence in self.evidence)


class Channel(Protocol):
    """A ranking of the videos of a collection."""

    name: str

    def search(self, text: str, k: int) -> list[ChannelHit]:
        """Return at most k videos, the best first; none if the channel knows nothing of the query."""

    def find_doubt(self, hits: Sequence[ChannelHit]) -> str | None:
        """Return why none of the hits of a query is believable; None if one is."""

    def find_excluded(self, negatives: Sequence[str]) -> set[str]:
        """Return the videos that negative words and phrases of a query exclude."""

    def find_notes(self, text: str) -> list[str]:
        """Return notes on a query that the channel does not read or understand fully, one line each."""

    def describe(self) -> str:
        """Return a line about the content of the channel."""

    def close(self) -> None:
        """Release files."""
