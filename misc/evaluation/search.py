"""Search by words, concepts, an image-text and a trained model, alone and fused, with captions as queries."""

import argparse
import logging
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from data_loader.readers import read_video_list
from misc.searching.calibration import NUM_NONSENSE, make_nonsense
from misc.searching.channels.channel import ChannelHit
from misc.searching.channels.concepts import ConceptsChannel
from misc.searching.channels.fusion import fuse
from misc.searching.channels.words import WordsChannel
from misc.searching.channels.zero_shot import ZeroShotChannel
from misc.searching.choices import CHANNELS
from misc.searching.collection import Collection
from misc.searching.opening import get_location, open_model
from misc.searching.query_language import english_words
from misc.searching.searcher import MAX_K
from utils.errors import InputError, count_text
from utils.names import normalize_name
from utils.progress import bar

DEPTH = MAX_K


class Scores(NamedTuple):
    """Recall at 1, 5 and 10 and mean reciprocal rank, in percent, and the share of queries for which videos are found."""

    r1: float
    r5: float
    r10: float
    mrr: float
    found: float


def expected_scores(found: Sequence[bool], ranks: Sequence[tuple[int, int]]) -> Scores:
    """Return the expected scores of queries whose right video has rank `first` (from 1), tied with `number` videos in all.

    Videos that are not found are tied at the end, in random order.
    """
    recalls = {k: np.mean([min(max(k - first + 1, 0), number) / number for first, number in ranks]) for k in (1, 5, 10)}
    reciprocal = np.mean([np.mean(1 / np.arange(first, first + number)) for first, number in ranks])
    return Scores(*(100 * float(x) for x in (*recalls.values(), reciprocal, np.mean(found))))


def rank_in(ids: Sequence[str], video: str, candidates: int) -> tuple[int, int]:
    """Return the rank of a video in a ranking of some of the candidates, and the number of videos tied with it."""
    return (ids.index(video) + 1, 1) if video in ids else (len(ids) + 1, candidates - len(ids))


def find_queries(collection: Collection, ids: Sequence[str], only: re.Pattern | None) -> list[tuple[str, str]]:
    """Return the captions of videos, (text, video), that have a match of a regular expression (None: all)."""
    queries = [(text, video) for video in ids for text in collection.get_captions(video) if text.strip()]
    return [(text, video) for text, video in queries if only is None or only.search(text)]


def iter_combinations(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield each channel, and each combination of channels."""
    for number in range(1, len(names) + 1):
        yield from combinations(names, number)


def evaluate(
    channels: Mapping[str, Callable[[str], list[ChannelHit]]], queries: Sequence[tuple[str, str]], candidates: Sequence[str]
) -> dict[str, Scores]:
    """Return the scores of each combination of channels, which return all videos that they find for a text."""
    allowed = set(candidates)
    ranks: dict[str, list[tuple[int, int]]] = {" + ".join(names): [] for names in iter_combinations(list(channels))}
    found: dict[str, list[bool]] = {name: [] for name in ranks}
    for text, video in bar(queries, "queries"):
        rankings = {name: [hit for hit in search(text) if hit.id in allowed] for name, search in channels.items()}
        for names in iter_combinations(list(channels)):
            ids = [x for x, _ in fuse({name: rankings[name] for name in names})]
            ranks[" + ".join(names)].append(rank_in(ids, video, len(candidates)))
            found[" + ".join(names)].append(bool(ids))
    chance = expected_scores([True], [(1, len(candidates))])
    return {"chance": chance} | {name: expected_scores(found[name], ranks[name]) for name in ranks}


def format_table(scores: Mapping[str, Scores]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| Channels | R@1 | R@5 | R@10 | MRR | queries with hits |", "| --- | -: | -: | -: | -: | -: |"]
    for name, x in scores.items():
        found = "" if name == "chance" else f"{x.found:.0f} %"
        lines.append(f"| {name} | {x.r1:.1f} | {x.r5:.1f} | {x.r10:.1f} | {x.mrr:.1f} | {found} |")
    return lines


def doubt_shares(doubts: Mapping[str, Callable[[str], str | None]], queries: Sequence[str]) -> dict[str, float]:
    """Return the percentage of queries without a believable hit in each channel, and in all of them together."""
    found = [[doubt(text) is not None for doubt in doubts.values()] for text in bar(queries, "doubts")]
    shares = dict(zip(doubts, 100 * np.mean(found, axis=0), strict=True))
    return shares | {"all": 100 * float(np.mean([all(row) for row in found]))}


def format_doubts(doubts: Mapping[str, Callable[[str], str | None]], captions: Sequence[str]) -> list[str]:
    """Return the lines of a Markdown table: the share of captions and of nonsense that gets "no good match"."""
    english = sorted(word for word in english_words() if word.isascii() and word.isalpha() and len(word) > 3)
    rng = random.Random(0)
    kinds = {
        "captions": captions,
        "words that do not exist": make_nonsense(seed=1),  # other ones than those of the calibration
        "random English words": [" ".join(rng.choices(english, k=1 + i % 6)) for i in range(NUM_NONSENSE)],
    }
    lines = [f"| No good match | {' | '.join([*doubts, 'all'])} |", "| --- |" + " -: |" * (len(doubts) + 1)]
    for kind, queries in kinds.items():
        lines.append(f"| {kind} | {' | '.join(f'{share:.1f} %' for share in doubt_shares(doubts, queries).values())} |")
    return lines


def open_rankings(
    args: argparse.Namespace,
) -> tuple[dict[str, Callable[[str], list[ChannelHit]]], dict[str, Callable[[str], str | None]], Collection]:
    """Return the channels of a collection as functions from a text to hits, and to why no hit is believable, and it."""
    location = get_location(args)
    trained = None if args.resume is None else open_model(args)
    collection = Collection(location.name, location.folder) if trained is None else trained.collection
    words = WordsChannel(collection, captions=False, names=not args.no_names)
    channels = {"words": lambda text: words.search(text, DEPTH)}
    doubts = {"words": lambda text: words.find_doubt(words.search(text, 1))}
    try:
        concepts = ConceptsChannel(collection)
        channels["concepts"] = lambda text: concepts.search(text, DEPTH)
        doubts["concepts"] = lambda text: concepts.find_doubt(concepts.search(text, 1))
    except InputError as error:
        print(f"concepts: not searched: {error}")
    try:
        zero_shot = ZeroShotChannel(collection)
        zero_shot.load_model(args.zero_shot)
        channels["zero_shot"] = lambda text: zero_shot.search(text, DEPTH)
        doubts["zero_shot"] = lambda text: zero_shot.find_doubt(zero_shot.search(text, 1))
    except InputError as error:
        print(f"zero_shot: not searched: {error}")
    if trained is not None:
        channels["trained"] = lambda text: [ChannelHit(x.video, x.score, []) for x in trained.rank(text, DEPTH).found]
        doubts["trained"] = lambda text: trained.rank(text, 1).doubt
    names = [name for name in CHANNELS if name in channels]
    return {name: channels[name] for name in names}, {name: doubts[name] for name in names}, collection


def run(args: argparse.Namespace) -> None:
    """Evaluate, and print a table."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("faiss").setLevel(logging.WARNING)
    try:
        only = None if args.only is None else re.compile(args.only)
    except re.error as error:
        raise InputError(f"--only {args.only!r}: {error}, expected a regular expression") from None
    channels, doubts, collection = open_rankings(args)
    path = collection.folder / "symlinked-feats" / f"{args.split}_list.txt"
    if not path.exists():
        raise InputError(f"{path}: not found, expected the videos of the split (extract with --captions)")
    candidates = [video for video in map(normalize_name, read_video_list(path, str)) if video in collection]
    queries = find_queries(collection, candidates, only)
    if not queries:
        raise InputError(f"{path}: no caption of its videos{'' if only is None else ' matches --only'}, expected some")
    number = "1 query" if len(queries) == 1 else f"{len(queries)} queries"
    print(f"{number}, {count_text(len(candidates), 'video')} of the {args.split} split")
    print("\n".join(format_table(evaluate(channels, queries, candidates))))
    if args.doubts:
        print("\n".join(["", *format_doubts(doubts, [text for text, _ in queries])]))
