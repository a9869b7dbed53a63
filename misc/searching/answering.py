"""The answer to a query of the command line: by words, an image or a video, filtered, with near-duplicates folded."""

import argparse
import dataclasses
from pathlib import Path
from typing import NamedTuple

from misc.searching import filters
from misc.searching.channels.fused_searcher import FusedSearcher
from misc.searching.filters import Condition
from misc.searching.folding import NearDuplicates
from misc.searching.image_query import embed_image, read_image
from misc.searching.index.vector_store import IndexLocation
from misc.searching.result import CaptionHit, SearchResult, keep_hits
from misc.searching.searcher import Searcher, check_k
from utils.errors import InputError, count_text
from utils.names import match_name


class Answer(NamedTuple):
    """A result, the captions that describe the queried video, and this video: its id, or the path of its file."""

    result: SearchResult
    captions: list[CaptionHit]
    video: str | Path | None  # None: the query was words or an image


def check_query(args: argparse.Namespace) -> list[Condition]:
    """Return the conditions of `--where`.

    Raises:
        InputError: invalid conditions, no query, or more than one.
    """
    is_text = bool(args.words or args.image)
    if is_text and args.video is not None or not (is_text or args.video is not None or args.where):
        found = "both words or --image and --video, " if is_text else ""
        raise InputError(f"query: {found}expected some words, --image FILE or both, --video ID, or a filter --where")
    if args.image is not None and args.channels is not None and args.channels.strip(" ,") == "trained":
        raise InputError("--image: found with --channels trained, expected another channel, too")
    if args.image is not None and args.channels is not None and not args.words:
        raise InputError("--channels: found with --image and no words, expected words that they are to find, too")
    return filters.parse_conditions(args.where)


def answer_query(
    searcher: Searcher | FusedSearcher, args: argparse.Namespace, conditions: list[Condition], location: IndexLocation
) -> Answer:
    """Return the answer of a searcher to a command line."""
    check_k(args.k)
    text, corrected, most = " ".join(args.words), not args.no_querybank, len(searcher.ids)
    allowed = None
    if conditions:
        allowed = filters.select_videos(searcher.collection, conditions, location.index_folder / filters.FILE)
    if not (args.words or args.image or args.video is not None):
        return Answer(_list_videos(searcher, args.k, allowed), [], None)
    video, captions = None, []
    if args.video is not None:
        video = match_name(args.video, searcher)
        if video not in searcher and Path(args.video).is_file():
            video = Path(args.video)
        captions = searcher.v2t(video, args.k, corrected)

    image = None if args.image is None else embed_image(searcher.collection, read_image(args.image), str(args.image))

    def search(k: int) -> SearchResult:
        if video is not None:
            return keep_hits(searcher.similar(video, k if allowed is None else max(k, most)), allowed, k)
        if image is None:
            return searcher.search(text, k, corrected, allowed)
        result = searcher.search(text, k, corrected, allowed, image)
        return result if text else dataclasses.replace(result, query=f"image {args.image.name}")

    result = search(args.k) if args.no_fold else NearDuplicates(searcher.collection).fold(search, args.k, most)
    return Answer(result, captions, video)


def _list_videos(searcher: Searcher | FusedSearcher, k: int, allowed: frozenset[str]) -> SearchResult:
    """Return the first k videos that a filter selects, and the number of all."""
    ids = [video for video in dict.fromkeys(searcher.ids) if video in allowed]
    hits = [dataclasses.replace(searcher.get_hit(video), rank=rank) for rank, video in enumerate(ids[:k], 1)]
    note = f"{len(ids)} of {count_text(len(set(searcher.ids)), 'video')} fit the filter"
    return SearchResult("", None, hits, notes=[note] if ids else [])
