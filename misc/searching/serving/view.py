"""What the search page says of an answer, in the terms of its template."""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from misc.searching.answers import CaptionHit, Hit
from misc.searching.serving.clips import Clips, query

# Words that say nothing of what is sought: a mark on them would be no reason.
COMMON = """
a about all am an and any are as at be been but by can do does for from had has have he her his i if in into is it its
me my no not of off on or our out she so some than that the their them then there these they this those to up us was
we were what when where which who whose will with you your
"""
MOST_WORDS = 24  # of an expert's in a result
BEFORE = 6  # of these before the first that is one of the query's


class ExpertRow(NamedTuple):
    """An expert of a result.

    Attributes:
        name: of the expert.
        state: "present", "missing", or "unshared" where the video that was asked with lacks it.
        figure: its weight in percent ("": there is none).
        length: of its bar, in percent of the longest (None: there is none).
    """

    name: str
    state: str
    figure: str
    length: float | None


class Words(NamedTuple):
    """What an expert recognised: the words shown, with whether they are the query's, and whether there are others."""

    expert: str
    shown: list[tuple[str, bool]]
    more_before: bool
    more_behind: bool


@dataclasses.dataclass(frozen=True)
class View:
    """How results are shown.

    Attributes:
        experts: of the model.
        clips: the files.
        weights: of the query (None: it has none).
        words: the query's.
        partner: the experts of the video that was asked with (None: it was asked with words).
        highest: the weight whose bar is the longest.
    """

    experts: Sequence[str]
    clips: Clips
    weights: Mapping[str, float] | None = None
    words: str = ""
    partner: Sequence[str] | None = None
    highest: float = 1.0

    @property
    def order(self) -> list[str]:
        """The experts as all results list them: those that count most for the query first."""
        return sorted(self.experts, key=lambda name: -self.weights[name]) if self.weights else list(self.experts)

    def rows(self, weights: Mapping[str, float] | None, present: Sequence[str]) -> list[ExpertRow]:
        """The experts of a video.

        Args:
            weights: as they apply to it.
            present: the experts that it has.
        """
        return [self._row(name, None if weights is None else weights[name], name in present) for name in self.order]

    def found_words(self, hit: Hit) -> list[Words]:
        """The words that were recognised in a video, from near the first of the query's on."""
        asked = set(tokens(self.words))
        wanted = asked.difference(COMMON.split()) or asked
        found = []
        for expert, words in hit.words.items():
            marked = [(word, not wanted.isdisjoint(tokens(word))) for word in words]
            first = next((i for i, (_, match) in enumerate(marked) if match), 0)
            start = max(0, min(first - BEFORE, len(marked) - MOST_WORDS))
            end = start + MOST_WORDS
            found.append(Words(expert, marked[start:end], start > 0, end < len(marked)))
        return found

    def address(self, video: str) -> str | None:
        """Of the file of a video."""
        return self.clips.address(video)

    def link(self, **values: object) -> str:
        """The address of another view of the page."""
        return f"/?{query(**values)}"

    def _row(self, name: str, weight: float | None, present: bool) -> ExpertRow:
        state = "missing"
        if present:
            state = "present" if self.partner is None or name in self.partner else "unshared"
        if weight is None or (not weight and not present):
            return ExpertRow(name, state, "", None)
        return ExpertRow(name, state, f"{weight:.0%}".replace("%", "\u00a0%"), round(100 * weight / self.highest, 2))


def highest_weight(hits: Sequence[Hit | CaptionHit]) -> float:
    """The highest of all weights, 1 where there is none."""
    return max((weight for hit in hits for weight in (hit.weights or {}).values()), default=1.0) or 1.0


def tokens(text: str) -> list[str]:
    """The words of a text, without regard to case, width and marks around them."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
