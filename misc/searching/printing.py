"""Results as lines for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from misc.searching.answers import Answer, CaptionHit
from utils.errors import count_text, one_line
from utils.progress import size_text

INDENT = " " * 14


def answer_lines(answer: Answer, experts: Sequence[str]) -> list[str]:
    """The videos of an answer: rank, similarity, id; the experts it has and their weights; words and captions."""
    lines = []
    if answer.weights is not None:
        lines.append(f"weights of the query: {_shares(answer.weights, experts)}")
    for hit in answer.hits:
        lines.append(f"{hit.rank:4}  {hit.similarity:6.3f}  {one_line(hit.id)}")
        has = ", ".join(hit.experts) if hit.weights is None else _shares(hit.weights, hit.experts)
        lacks = ", ".join(name for name in experts if name not in hit.experts)
        missing = f" (lacks {lacks})" if lacks and hit.experts else ""
        lines.append(f"{INDENT}{has or 'no expert'}{missing}")
        lines += [f"{INDENT}{expert}: {one_line(' '.join(words))}" for expert, words in hit.words.items()]
        lines += [f'{INDENT}"{one_line(caption)}"' for caption in hit.captions]
    return lines


def caption_lines(captions: Sequence[CaptionHit]) -> list[str]:
    """The captions that fit a video."""
    if not captions:
        return []
    lines = ["captions:"]
    for hit in captions:
        text = f'"{one_line(hit.caption)}"' if hit.caption else "(text not known)"
        lines.append(f"{hit.rank:4}  {hit.similarity:6.3f}  {text} of {one_line(hit.video)}")
    return lines


def info_lines(about: Mapping[str, Any]) -> list[str]:
    """What is in an index."""
    size = "" if about["bytes"] is None else f", {size_text(about['bytes'])}"
    videos = count_text(about["videos"], "video")
    return [
        f"{about['place']}: {about['kind']} index of {about['collection']}, {videos}{size}",
        f"checkpoint: {about['checkpoint']} (weights {about['sha256'][:12]})",
        f"videos with {', '.join(f'{name} {number}' for name, number in about['available'].items())}",
        f"{count_text(len(about['patterns']), 'pattern')} of experts",
    ]


def _shares(weights: Mapping[str, float], experts: Sequence[str]) -> str:
    """The weights of some experts in percent, the largest first."""
    return ", ".join(f"{name} {weights[name]:.0%}" for name in sorted(experts, key=lambda name: -weights[name]))
