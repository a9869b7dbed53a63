"""Results of a search in several channels, and their presentation as text."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from misc.searching.channels.channel import Evidence
from misc.searching.result import (
    INDENT,
    CaptionHit,
    Hit,
    SearchResult,
    format_folded,
    format_remarks,
    moments_text,
    percentile_text,
    time_text,
)
from utils.errors import one_line

MAX_TIMES = 3  # of words that match, in texts
NO_HIT = "no video has these words, or similar ones"
FRAME = "frame"  # source of evidence
ALL_EXCLUDED = "all videos that were found are excluded, by the filter or by -words"
NO_VIDEO_FITS = "no video of the collection fits the filter"
NO_CONCEPT = ", and no concept is close to them"
NEXT_STEP = (
    "only words, and the things and animals of ImageNet, are searched here: people, actions, places and colors need an "
    "image-text model, or one trained on captions (misc/docs/own-videos.md)"
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a channel says of a video: its rank in the channel, from 1, its score there, and the reasons."""

    rank: int
    score: float
    evidence: list[Evidence]


@dataclasses.dataclass(frozen=True)
class FusedHit(Hit):
    """A video that channels found. It has a similarity only if the trained model is one of them."""

    score: float = 0.0  # of the fusion
    channels: dict[str, Finding] = dataclasses.field(default_factory=dict)  # those that found it


@dataclasses.dataclass(frozen=True)
class FusedResult(SearchResult):
    """The videos that channels found, best first."""

    channels: list[str] = dataclasses.field(default_factory=list)  # those that were searched
    absent: dict[str, str] = dataclasses.field(default_factory=dict)  # the others, with the reason

    no_video_fits: bool = dataclasses.field(default=False, kw_only=True)  # the filter
    all_excluded: bool = dataclasses.field(default=False, kw_only=True)  # a filter excluded all videos that were found

    @property
    def no_match(self) -> str:
        """The reason why there are no hits."""
        if self.no_video_fits:
            return NO_VIDEO_FITS
        if self.all_excluded:
            return ALL_EXCLUDED
        return NO_HIT + (NO_CONCEPT if "concepts" in self.channels else "")


def as_dict(result: SearchResult | Hit | CaptionHit) -> dict[str, Any]:
    """Return a result or a hit as JSON, without absent details of evidence."""

    def clean(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        is_evidence = {"source", "text", "positions"} <= {key for key, _ in pairs}
        if {key for key, _ in pairs} == {"start", "end", "score"}:  # of a moment
            return {key: value for key, value in pairs if value is not None}
        return {key: value for key, value in pairs if not is_evidence or value not in (None, [], False)}

    return dataclasses.asdict(result, dict_factory=clean)


class TimeText(NamedTuple):
    """A time in a reason, as text and in seconds from the start of the video."""

    text: str
    start: float


def evidence_parts(evidence: Evidence) -> list[str | TimeText]:
    """Return a reason as texts and times, such as `robin 43 %`, or `speech “thanks” at ` and 0:58."""
    if evidence.source == FRAME:
        start = evidence.times[0][0]
        probability = "" if evidence.probability is None else f", probability {evidence.probability:.0%}"
        return ["frame at ", TimeText(f"{start:.1f} s", start), probability.replace("%", "\u00a0%")]
    if evidence.probability is not None:
        return [f"{evidence.text} {evidence.probability:.0%}".replace("%", "\u00a0%")]
    text = f"{evidence.source} {'similar to ' if evidence.misspelled else ''}“{one_line(evidence.text)}”"
    seconds = dict.fromkeys(int(start) for start, _ in evidence.times[:MAX_TIMES])
    return [text, *_join([[TimeText(time_text(x), x)] for x in seconds], before=" at ")]


def _join(groups: Sequence[Sequence[str | TimeText]], before: str = "") -> list[str | TimeText]:
    """Return the parts of all groups, with text before the first one and commas before the others."""
    return [part for number, group in enumerate(groups) for part in (", " if number else before, *group)]


def finding_parts(hit: Hit) -> Iterator[tuple[str, int, list[str | TimeText]]]:
    """Yield each channel that found a video, its rank there, and its reasons as texts and times."""
    findings: Mapping[str, Finding] = getattr(hit, "channels", {})
    for name, finding in findings.items():
        parts = _join([evidence_parts(evidence) for evidence in finding.evidence])
        if name == "trained":
            compared = "" if hit.percentile is None else f" ({percentile_text(hit.percentile)})"
            corrected = "" if hit.normalized is None else f"corrected by the query bank {hit.normalized:.3f}, "
            parts = [f"{corrected}similarity {finding.score:.3f}{compared}"]
        if name == "zero_shot":
            parts = [f"similarity {finding.score:.3f} of the ", *parts]
        if name == "image":
            parts = [f"a frame with similarity {finding.score:.3f}"]
        yield name, finding.rank, parts


def finding_texts(hit: Hit) -> Iterator[tuple[str, int, str]]:
    """Yield each channel that found a video, its rank there, and its reasons as text."""
    for name, rank, parts in finding_parts(hit):
        yield name, rank, "".join(part.text if isinstance(part, TimeText) else part for part in parts)


def format_fused_hits(result: FusedResult) -> list[str]:
    """Return lines with rank, fused score and id of each video, and the rank and the reasons of each channel."""
    if not result.hits:
        return [f"no match: {result.no_match}", *format_remarks(result)]
    lines = [
        *format_remarks(result),
        f"channels: {', '.join(result.channels)} (the number is the fused score: sum of weight / (60 + rank))",
    ]
    for hit in result.hits:
        lines.append(f"{hit.rank:4}  {hit.score:6.4f}  {one_line(hit.id)}{moments_text(hit)}")
        lines += [f"{INDENT}{name}, rank {rank}: {reasons}" for name, rank, reasons in finding_texts(hit)]
        lines += [f"{INDENT}{expert}: {one_line(' '.join(words))}" for expert, words in hit.words.items()]
        lines += [f'{INDENT}"{one_line(caption)}"' for caption in hit.captions]
        lines += format_folded(hit)
    return lines
