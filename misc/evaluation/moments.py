"""Moments of long videos, found by words, by concepts, and by a trained model, alone and fused."""

import argparse
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pydantic
from pydantic import Field

from base.schema import Section
from misc.demo.clips import FAMILY, plan_clips
from misc.demo.films import write_film
from misc.evaluation.search import iter_combinations
from misc.searching.channels.channel import ChannelHit
from misc.searching.channels.concepts import ConceptsChannel
from misc.searching.channels.fusion import TRAINED, fuse, fuse_moments
from misc.searching.channels.words import WordsChannel
from misc.searching.choices import CHANNELS
from misc.searching.collection import Collection
from misc.searching.cut_collection import NO_MOMENTS, CutCollection
from misc.searching.index.metadata import read_json
from misc.searching.opening import get_location, open_model
from misc.searching.searcher import MAX_K
from misc.searching.windows import MAX_MOMENTS, Span, Windows, make_windows
from utils.errors import InputError, count_text
from utils.files import write_json
from utils.progress import bar

THRESHOLDS = np.arange(50, 96, 5) / 100  # of IoU, of which mAP is the mean
DEMO_CLIPS, DEMO_SEED, FIRST_CLIP = 1000, 0, 700  # test clips of the demo, one of each family
CLIPS_PER_FILM = 12


class Query(Section):
    """A caption of a part of a video."""

    video: str
    start: Annotated[float, Field(ge=0)]
    end: float
    caption: str


class Scores(NamedTuple):
    """Shares of queries and mean average precision, in percent, see `misc/evaluate_moments.py`."""

    video: float
    r1_5: float
    r1_7: float
    mean_ap: float
    both_5: float
    both_7: float


def iou(one: Span, other: Span) -> float:
    """Return intersection over union of two spans of time."""
    overlap = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return overlap / (one[1] - one[0] + other[1] - other[0] - overlap)


def average_precision(spans: Sequence[Span], right: Span) -> float:
    """Return the mean over thresholds of the average precision of a ranking, in which one moment is right."""
    overlaps = [iou(span, right) for span in spans]
    ranks = [next((i for i, x in enumerate(overlaps, 1) if x >= threshold), None) for threshold in THRESHOLDS]
    return float(np.mean([0 if rank is None else 1 / rank for rank in ranks]))


def expected_precision(spans: Sequence[Span], right: Span, limit: int = MAX_MOMENTS) -> float:
    """Return the expected `average_precision` of the first `limit` spans in a random order."""
    overlaps, total = np.array([iou(span, right) for span in spans]), 0.0
    for threshold in THRESHOLDS:
        others, none_before = int((overlaps < threshold).sum()), 1.0
        for rank in range(1, min(limit, len(spans)) + 1):
            left = len(spans) - rank + 1
            wrong = max(0, others - rank + 1) / left
            total += none_before * (1 - wrong) / rank
            none_before *= wrong
    return total / len(THRESHOLDS)


def score(query: Query, first: str | None, spans: Sequence[Span]) -> Scores:
    """Return the scores of one query: `first` is the first video, and `spans` the moments of the right one."""
    right = (query.start, query.end)
    overlap = iou(spans[0], right) if spans else 0.0
    hits = [100.0 * (overlap >= x) for x in (0.5, 0.7)]
    is_first = first == query.video
    return Scores(100.0 * is_first, *hits, 100 * average_precision(spans, right), *(hit * is_first for hit in hits))


def chance(query: Query, spans: Sequence[Span], videos: int) -> Scores:
    """Return the expected scores of a random order of videos, and of the windows of the right one."""
    right = (query.start, query.end)
    hits = [100 * float(np.mean([iou(span, right) >= x for span in spans])) for x in (0.5, 0.7)]
    return Scores(100 / videos, *hits, 100 * expected_precision(spans, right), *(hit / videos for hit in hits))


def evaluate(
    channels: Mapping[str, Callable[[str], list[ChannelHit]]],
    queries: Sequence[Query],
    spans: Callable[[str], list[Span]],
    videos: int,
) -> dict[str, Scores]:
    """Return the mean scores of each combination of channels, and of chance; `spans` returns the windows of a video."""
    combinations = list(iter_combinations(list(channels)))
    scores: dict[str, list[Scores]] = {name: [] for name in ["chance", *map(" + ".join, combinations)]}
    for query in bar(queries, "queries"):
        scores["chance"].append(chance(query, spans(query.video), videos))
        found = {name: search(query.caption) for name, search in channels.items()}
        for names in combinations:
            ranked = fuse({name: found[name] for name in names})
            places = {
                name: (rank, hit) for name in names for rank, hit in enumerate(found[name], 1) if hit.id == query.video
            }
            moments = fuse_moments(places, TRAINED in names)
            first = ranked[0][0] if ranked else None
            scores[" + ".join(names)].append(score(query, first, [(x.start, x.end) for x in moments]))
    return {name: Scores(*np.mean(values, axis=0).tolist()) for name, values in scores.items()}


def format_table(scores: Mapping[str, Scores]) -> list[str]:
    """Return the lines of a Markdown table."""
    columns = ["Channels", "video R@1", "R1@IoU 0.5", "R1@IoU 0.7", "mAP", "both, 0.5", "both, 0.7"]
    lines = [f"| {' | '.join(columns)} |", f"| --- | {' | '.join(['-:'] * (len(columns) - 1))} |"]
    return lines + [f"| {name} | {' | '.join(f'{x:.1f}' for x in values)} |" for name, values in scores.items()]


def read_truth(path: Path, cut: CutCollection, collection: Collection, only: str | None = None) -> list[Query]:
    """Return the queries in a file in which a regular expression is found (None: all).

    Raises:
        InputError: one is invalid or of a video without windows, or there is none.
    """
    try:
        queries = pydantic.TypeAdapter(list[Query]).validate_python(read_json(path))
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}") from None
    for number, query in enumerate(queries):
        if query.end <= query.start:
            raise InputError(f"{path}: {number}.end: found {query.end:g}, expected more than {query.start:g}")
        if query.video not in collection:
            raise InputError(f"{path}: {number}.video: no video '{query.video}' in {collection.folder}")
        if not cut.spans(query.video):
            raise InputError(f"{path}: {number}.video: '{query.video}' has no windows, expected a video of at least 30 s")
    try:
        queries = [query for query in queries if only is None or re.search(only, query.caption)]
    except re.error as error:
        raise InputError(f"--only {only!r}: {error}, expected a regular expression") from None
    if not queries:
        raise InputError(f"{path}: no query{'' if only is None else ' matches --only'}, expected some")
    return queries


def open_channels(
    args: argparse.Namespace, windows: Windows
) -> tuple[dict[str, Callable[[str], list[ChannelHit]]], Collection]:
    """Return the channels of a collection as functions from a text to hits, and the collection."""
    location = get_location(args)
    trained = None if args.resume is None else open_model(args)
    collection = Collection(location.name, location.folder) if trained is None else trained.collection
    if collection.moments is None:
        raise InputError(f"{location.folder}: {NO_MOMENTS}")
    words = WordsChannel(collection, captions=False, names=False, windows=windows)
    channels = {"words": lambda text: words.search(text, MAX_K)}
    try:
        concepts = ConceptsChannel(collection, windows=windows)
        channels["concepts"] = lambda text: concepts.search(text, MAX_K)
    except InputError as error:
        print(f"concepts: not searched: {error}")
    if trained is not None:
        channels["trained"] = lambda text: [
            ChannelHit(x.video, x.score, [], x.moments) for x in trained.rank(text, MAX_K).found
        ]
    return {name: channels[name] for name in CHANNELS if name in channels}, collection


def make_films(folder: Path, count: int) -> None:
    """Write films of `count` clips of the demo, and the times of their captions."""
    clips = plan_clips(DEMO_CLIPS, DEMO_SEED)[FIRST_CLIP::FAMILY][:count]
    if len(clips) < count:
        raise InputError(f"--clips {count}: expected at most {len(clips)}")
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    truth: list[dict[str, object]] = []
    for number in range(0, len(clips), CLIPS_PER_FILM):
        name = f"film{number // CLIPS_PER_FILM:02}"
        for moment in write_film(clips[number : number + CLIPS_PER_FILM], folder / "videos" / f"{name}.webm"):
            times = {"video": name, "start": moment["start"], "end": moment["end"]}
            truth += [times | {"caption": caption} for caption in moment["captions"]]
    write_json(folder / "moments.json", truth)
    print(f"{folder}: {count_text(count, 'clip')} in films, {len(truth)} captions")


def run(args: argparse.Namespace) -> None:
    """Write films, or evaluate and print a table."""
    if args.make_films is not None:
        make_films(args.make_films, args.clips)
        return
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    if (windows := make_windows(args.window, args.stride)) is None:
        raise InputError("--window 0: expected the length of windows")
    with tempfile.TemporaryDirectory() as folder:  # of the index of a model, so that the existing one is kept
        args.index_dir = Path(folder)
        channels, collection = open_channels(args, windows)
        cut = CutCollection(collection, windows)
        queries = read_truth(args.truth, cut, collection, args.only)
        number = "1 query" if len(queries) == 1 else f"{len(queries)} queries"
        cuts = sum(len(cut.spans(video)) for video in collection.ids)
        print(f"{number}, {count_text(len(collection.ids), 'video')}, {count_text(cuts, 'window')}")
        print("\n".join(format_table(evaluate(channels, queries, cut.spans, len(collection.ids)))))
