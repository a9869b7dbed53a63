"""Results of a search, and their presentation as text, as a page in a folder, and on the search page."""

import dataclasses
import math
import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote

from misc.searching.index.metadata import IndexMetadata
from misc.searching.windows import Moment
from utils.errors import one_line
from utils.files import write_bytes
from utils.visualizer.videos import NOT_PLAYED
from utils.visualizer.visualizer import FOLDER, render, script

HERE = Path(__file__).parent
PAGE_ASSETS = (FOLDER / "page.css", FOLDER / "clips.js", FOLDER / "cards.js", HERE / "results.js")
INDENT = " " * 14
# Words of a query that are marked only if it has no other words.
STOP_WORDS = """
a about all am an and any are as at be been but by can do does for from had has have he her his i if in into is it its
me my no not of off on or our out she so some than that the their them then there these they this those to up us was
we were what when where which who whose will with you your
"""
MAX_WORDS = 24  # recognized words per expert and hit
NO_GOOD_MATCH = "no good match"
PERCENTILE_HELP = "(the percentage: how many of 100 nonsense queries have no video as similar to them)"
WORDS_BEFORE = 6  # words shown before the first one of the query


@dataclasses.dataclass(frozen=True)
class Hit:
    """A video that was found. It has no weights in the Concat variants and for a query by video."""

    rank: int  # from 1; 0: not ranked
    id: str
    similarity: float | None  # None: no query
    weights: dict[str, float] | None  # expert -> weight of the query for this video, w_i a_i / sum_j w_j a_j
    experts: list[str]  # available ones
    captions: list[str]  # some of them
    words: dict[str, list[str]]  # expert -> recognized words, of the best moment if there is one
    clip: str | None  # URL of the video file, relative to the folder of the collection (None: no file)
    normalized: float | None = None  # the similarity after the correction by a query bank (None: not corrected)
    moments: list[Moment] = dataclasses.field(default_factory=list, kw_only=True)  # windows of a long video, best first
    # The percentage of nonsense queries whose best video is less similar to them (None: no similarity, or not calibrated).
    percentile: float | None = dataclasses.field(default=None, kw_only=True)
    folded: list[str] = dataclasses.field(default_factory=list, kw_only=True)  # its near-duplicates, with lower ranks

    @property
    def poster_time(self) -> float | None:
        """The middle of the best moment in seconds; None for the poster of the whole video."""
        return (self.moments[0].start + self.moments[0].end) / 2 if self.moments else None


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The videos that were found, best first. There are no weights in the Concat variants and for a query by video."""

    query: str  # the words, or the name of the video
    weights: dict[str, float] | None  # expert -> weight of the query, with sum 1
    hits: list[Hit]
    doubt: str | None = dataclasses.field(default=None, kw_only=True)  # why none of them is believable (None: one is)
    notes: list[str] = dataclasses.field(default_factory=list, kw_only=True)  # on the query, one line each


@dataclasses.dataclass(frozen=True)
class CaptionHit:
    """A caption that was found, with its similarity to the queried video."""

    rank: int  # from 1
    video: str  # id of the video that it belongs to
    id: str  # <video>#<n>, where n is its position among the captions of the video in the file, from 0
    caption: str  # its text ("": unknown)
    similarity: float
    weights: dict[str, float] | None  # expert -> weight for the queried video (None in the Concat variants)
    normalized: float | None = None  # the similarity after the correction by a query bank (None: not corrected)


def format_hits(result: SearchResult, experts: Sequence[str]) -> list[str]:
    """Return lines with rank, similarity and id of each video, its experts and their weights, its words and captions.

    If a query bank corrects the query, the normalized similarity, by which videos are ordered, precedes the similarity.
    """
    lines = format_remarks(result)
    if result.weights is not None:
        lines.append(f"weights of the query: {_percentages(result.weights, experts)}")
    if is_corrected(result.hits):
        lines.append("ordered by the similarity after correction by the query bank (first number; the second is without it)")
    if any(hit.percentile is not None for hit in result.hits):
        lines.append(PERCENTILE_HELP)
    for hit in result.hits:
        percentile = "" if hit.percentile is None else f"{hit.percentile:3.0f} %  "
        lines.append(f"{hit.rank:4}  {_similarities(hit)}{percentile}{one_line(hit.id)}{moments_text(hit)}")
        present = ", ".join(hit.experts) if hit.weights is None else _percentages(hit.weights, hit.experts)
        missing = ", ".join(name for name in experts if name not in hit.experts)
        lacks = f" (lacks {missing})" if missing and hit.experts else ""
        if experts:
            lines.append(f"{INDENT}{present or 'no expert'}{lacks}")
        lines += [f"{INDENT}{expert}: {one_line(' '.join(words))}" for expert, words in hit.words.items()]
        lines += [f'{INDENT}"{one_line(caption)}"' for caption in hit.captions]
        lines += format_folded(hit)
    return lines


def percentile_text(percentile: float) -> str:
    """Return how a similarity compares with those of nonsense, such as `better than 4 % of nonsense queries`."""
    return f"better than {percentile:.0f}\u00a0% of nonsense queries"


def time_text(seconds: float) -> str:
    """Return a time such as 1:02:03 or 0:07."""
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}" if minutes >= 60 else f"{minutes}:{second:02}"


def moment_text(moment: Moment) -> str:
    """Return start and end of a moment, such as 1:10-1:20."""
    return f"{time_text(moment.start)}-{time_text(math.ceil(moment.end))}"


def moments_text(hit: Hit) -> str:
    """Return the moments of a hit as the end of a line, empty if there are none."""
    return "  at " + ", ".join(map(moment_text, hit.moments)) if hit.moments else ""


def add_times(url: str | None, moments: Sequence[Moment]) -> str | None:
    """Return the URL of a clip that plays its best moment, if there is one, as a media fragment."""
    return url if url is None or not moments else f"{url}#t={_number(moments[0].start)},{_number(moments[0].end)}"


def _number(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def format_folded(hit: Hit) -> list[str]:
    """Return a line about the near-duplicates of a video, if it has some."""
    return [f"{INDENT}and {len(hit.folded)} more like it: {one_line(', '.join(hit.folded))}"] if hit.folded else []


def format_remarks(result: SearchResult) -> list[str]:
    """Return lines that precede the hits: that none is believable, if so, and notes on the query."""
    doubt = [f"{NO_GOOD_MATCH}: {result.doubt}; the nearest:"] if result.doubt and result.hits else []
    return [*doubt, *(f"note: {note}" for note in result.notes)]


def format_captions(captions: Sequence[CaptionHit]) -> list[str]:
    """Return lines with the captions that fit a video."""
    lines = []
    if captions:
        lines.append("captions, after correction by the query bank:" if is_corrected(captions) else "captions:")
    for hit in captions:
        text = f'"{one_line(hit.caption)}"' if hit.caption else "(text not known)"
        lines.append(f"{hit.rank:4}  {_similarities(hit)}{text} of {one_line(hit.video)}")
    return lines


def keep_hits(result: SearchResult, allowed: Container[str] | None, k: int) -> SearchResult:
    """Return a result with the first k hits that are allowed (None: all are), ranked anew."""
    kept = [hit for hit in result.hits if allowed is None or hit.id in allowed][:k]
    return dataclasses.replace(result, hits=[dataclasses.replace(hit, rank=rank) for rank, hit in enumerate(kept, 1)])


def is_corrected(hits: Sequence[Hit | CaptionHit]) -> bool:
    """Return whether a query bank has corrected the order of hits."""
    return any(hit.normalized is not None for hit in hits)


def _similarities(hit: Hit | CaptionHit) -> str:
    numbers = [x for x in (hit.normalized, hit.similarity) if x is not None]  # none if a filter is all that was asked for
    return "".join(f"{x:6.3f}  " for x in numbers)


def _percentages(weights: Mapping[str, float], experts: Sequence[str]) -> str:
    return ", ".join(f"{name} {weights[name]:.0%}" for name in sorted(experts, key=lambda name: -weights[name]))


def write_page(
    folder: Path,
    result: SearchResult,
    captions: Sequence[CaptionHit],
    metadata: IndexMetadata,
    query_hit: Hit | None = None,
    reasons: Callable[[Hit], Iterable[tuple[str, int, str]]] = lambda hit: (),
    poster: Callable[[Hit], str | None] = lambda hit: None,
    **details: object,
) -> Path:
    """Write `index.html` and its assets to a folder and return the path of the page.

    `query_hit` is the queried video (None: the query was words, or a file), `reasons` returns the channels that found a
    video with rank and reasons (see `channels.fused_result.finding_texts`), `poster` the URL of a hit's poster, relative to
    the folder of the collection (None: no poster), and `details` are further variables of the template: `name` of the
    collection, number of `videos`, `checkpoint`, `bank` that corrected the order (None: none), `remarks` above the videos.
    """

    def tile(hit: Hit) -> dict[str, object]:
        has = [int(name in hit.experts) for name in metadata.experts]
        counts = [1] * len(has) if metadata.keep_missing else has
        words = [f"{expert}: {' '.join(words)}" for expert, words in hit.words.items()]
        video = {"id": hit.id, "address": add_times(hit.clip, hit.moments), "has": has, "counts": counts}
        if hit.clip is not None:
            file = PurePosixPath(unquote(hit.clip, errors="replace"))
            video |= {"poster": poster(hit), "file": file.name, "plays": file.suffix.lower() not in NOT_PLAYED}
        content: dict[str, object] = {"video": video}
        found = [f"{channel} {rank}: {text}" for channel, rank, text in reasons(hit)]
        times = [f"at {', '.join(map(moment_text, hit.moments))}"] if hit.moments else []
        content["text"] = " / ".join([*times, *found, *words, *hit.captions[:1]])
        if hit.weights is not None:
            content["weights"] = list(hit.weights.values())
        return content if hit.similarity is None else {**content, "similarity": hit.similarity}

    folder.mkdir(parents=True, exist_ok=True)
    for path in PAGE_ASSETS:
        write_bytes(folder / path.name, path.read_bytes())
    query_tile = None if query_hit is None else tile(query_hit)
    content = {"experts": metadata.experts, "query": query_tile, "hits": [tile(hit) for hit in result.hits]}
    write_bytes(folder / "data.js", script("registerResults", content))
    query = result.query if query_hit is None else f"Videos like {query_hit.id}"
    html = render(HERE / "results.html.j2", query=query, captions=captions, **details)
    write_bytes(folder / "index.html", html.encode("utf-8", "replace"))
    return folder / "index.html"


class ExpertRow(NamedTuple):
    """An expert of a hit on the search page."""

    name: str
    state: str  # "present", "missing", or "unshared" if only the queried video lacks it
    percentage: str  # weight as text ("": no weight)
    bar: float | None  # length of the bar, in percent of the longest bar (None: no bar)


class RecognizedWords(NamedTuple):
    """Some words that an expert recognized, each with True if it is in the query; whether more words precede or follow."""

    expert: str
    words: list[tuple[str, bool]]
    more_before: bool
    more_after: bool


@dataclasses.dataclass(frozen=True)
class ResultView:
    """The variables and functions of the search page's template."""

    experts: Sequence[str]  # of the model
    clip_url: Callable[[str], str | None]  # id of a video -> URL of its file (None: no file)
    page_url: Callable[..., str]  # parameters -> URL of the page
    clip_details: Callable[..., Any] | None = None  # id of a video with a file, time -> poster, see `serving.files.Clips`
    weights: Mapping[str, float] | None = None  # expert -> weight of the query
    query: str = ""  # words
    queried_experts: Sequence[str] | None = None  # available experts of the queried video (None: the query was words)
    max_weight: float = 1.0  # has the longest bar

    @property
    def sorted_experts(self) -> list[str]:
        """The experts in the order in which they are listed: by their weight for the query."""
        return sorted(self.experts, key=lambda name: -self.weights[name]) if self.weights else list(self.experts)

    def expert_rows(self, weights: Mapping[str, float] | None, present: Sequence[str]) -> list[ExpertRow]:
        """Return the rows of a video with the given weights of experts and the experts that it has."""
        rows = []
        for name in self.sorted_experts:
            state = "missing"
            if name in present:
                state = "present" if self.queried_experts is None or name in self.queried_experts else "unshared"
            percentage, length = "", None
            if weights is not None and (weights[name] or state != "missing"):
                percentage = f"{100 * weights[name]:.0f}\u00a0%"
                length = round(100 * weights[name] / self.max_weight, 2)
            rows.append(ExpertRow(name, state, percentage, length))
        return rows

    def recognized_words(self, hit: Hit) -> list[RecognizedWords]:
        """Return the words that were recognized in a video, starting near the first one of the query."""
        query_words = set(tokenize(self.query))
        marked_words = query_words.difference(STOP_WORDS.split()) or query_words
        recognized = []
        for expert, words in hit.words.items():
            marked = [(word, not marked_words.isdisjoint(tokenize(word))) for word in words]
            first = next((i for i, (_, is_marked) in enumerate(marked) if is_marked), 0)
            start = max(0, min(first - WORDS_BEFORE, len(marked) - MAX_WORDS))
            end = start + MAX_WORDS
            recognized.append(RecognizedWords(expert, marked[start:end], start > 0, end < len(marked)))
        return recognized


def highest_weight(hits: Sequence[SearchResult | Hit | CaptionHit]) -> float:
    """Return the highest of all weights, 1 if there are no weights."""
    return max((weight for hit in hits for weight in (hit.weights or {}).values()), default=1.0) or 1.0


def tokenize(text: str) -> list[str]:
    """Return the words of a text, normalized in case and character width, without punctuation."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
