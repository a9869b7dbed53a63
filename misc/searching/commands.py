"""The sub-commands of `misc/search.py`."""

import argparse
import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from base.device import select_device
from misc.searching.building import build, extend, shrink
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.place import Place
from misc.searching.printing import answer_lines, caption_lines, info_lines
from misc.searching.searcher import Searcher
from utils.errors import InputError, count_text
from utils.names import match_name, normalize_name

KINDS = ("flat", "ivf", "hnsw")

logger = logging.getLogger(__name__)


class Command(NamedTuple):
    """A sub-command: what it does, its arguments, and itself."""

    about: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def add_place(parser: argparse.ArgumentParser, checkpoint: bool = True) -> None:
    """The arguments that say which collection and which index.

    Args:
        checkpoint: the command needs one.
    """
    if checkpoint:
        parser.add_argument("--resume", metavar="CHECKPOINT", type=Path, required=True, help="the model, trained_model.pth")
        parser.add_argument("--config", metavar="FILE", type=Path, help="its config (default: the one in the checkpoint)")
        parser.add_argument(
            "--encoder",
            metavar="SPEC",
            help="text encoder of queries (default: that in the collection's extraction.json)",
        )
        parser.add_argument("--index", choices=KINDS, help="of a new index: flat (default) is exact, ivf and hnsw are not")
        parser.add_argument("--device", metavar="N", type=int, help="the GPU that embeds (default: the CPU)")
    parser.add_argument("--name", required=True, help="the collection")
    parser.add_argument("--data_dir", metavar="DIR", type=Path, help="its folder (default: data/<name>)")
    parser.add_argument("--index_dir", metavar="DIR", type=Path, help="folder of the index (default: <data_dir>/index)")
    parser.add_argument("--uri", help="the index is in Milvus: a server (http://host:19530) or a local file (x.db)")


def place_of(args: argparse.Namespace) -> Place:
    """Where the collection and its index are."""
    return Place(args.name, args.data_dir, args.index_dir, args.uri)


def opened(args: argparse.Namespace) -> tuple[Embedder, Collection, Place]:
    """The checkpoint, the collection and the place of its index."""
    place = place_of(args)
    device = torch.device("cpu") if args.device is None else select_device(args.device)
    embedder = Embedder(args.resume, device, args.config)
    return embedder, Collection(place.name, place.folder, embedder.config, embedder.experts), place


def searcher_of(args: argparse.Namespace) -> Searcher:
    """The searcher that a command line means; its index is built if there is none."""
    embedder, collection, place = opened(args)
    if not place.has_index():
        logger.info("no index of %s yet: it is built", place.name)
        build(embedder, collection, place, args.index or KINDS[0], missing_only=True)
    searcher = Searcher(embedder, collection, place.open(), args.encoder)
    if args.index not in (None, searcher.kind):
        logger.warning("the index is %s: --index %s counts where one is built", searcher.kind, args.index)
    if searcher.lacking:
        number, first = count_text(len(searcher.lacking), "video"), searcher.lacking[0]
        logger.warning("the index lacks %s of %s, first '%s': misc/search.py add", number, place.name, first)
    if searcher.stale:
        number, first = count_text(len(searcher.stale), "video"), searcher.stale[0]
        logger.warning("%s in the index changed or vanished since, first '%s': misc/search.py add", number, first)
    return searcher


def _add_query(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="what is to be seen or heard, in one or several words")
    parser.add_argument(
        "--video",
        metavar="ID",
        help="ask with a video of the collection, or the path of another: those like it, and captions",
    )
    parser.add_argument("-k", metavar="N", type=int, default=10, help="how many are returned (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", metavar="DIR", type=Path, help="write the results as a page, too")
    add_place(parser)


def _query(args: argparse.Namespace) -> None:
    if bool(args.words) == (args.video is not None):
        raise InputError("query: expected some words, or --video ID")
    if args.html is not None and args.html.exists() and not args.html.is_dir():
        raise InputError(f"--html {args.html}: a file, expected a folder to write the page to")
    searcher = searcher_of(args)
    if args.video is None:
        answer, captions = searcher.search(" ".join(args.words), args.k), None
    else:
        video = match_name(args.video, searcher)
        if video not in searcher and Path(args.video).is_file():
            video = Path(args.video)
        answer, captions = searcher.similar(video, args.k), searcher.v2t(video, args.k)
    if args.json:
        content = dataclasses.asdict(answer)
        if captions is not None:
            content["captions"] = [dataclasses.asdict(hit) for hit in captions]
        print(json.dumps(content, indent=4, allow_nan=False))
    else:
        print("\n".join([*answer_lines(answer, searcher.experts), *caption_lines(captions or [])]))
    if args.html is not None:
        from misc.searching.page import write_page

        asked = video if args.video is not None and video in searcher else None
        logger.info("page: %s", write_page(args.html, searcher, answer, captions or [], place_of(args), asked))
    searcher.close()


def _build(args: argparse.Namespace) -> None:
    build(*opened(args), args.index or KINDS[0])


def _add_videos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="ID", help="these alone, anew if it has them")
    add_place(parser)


def _add(args: argparse.Namespace) -> None:
    added = extend(*opened(args), list(map(normalize_name, args.words)) or None)
    logger.info("%s added", count_text(added, "video"))


def _remove_videos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="ID", help="videos of the index")
    add_place(parser, checkpoint=False)


def _remove(args: argparse.Namespace) -> None:
    if not args.words:
        raise InputError("remove: expected the ids of videos")
    shrink(place_of(args), args.words)
    logger.info("%s removed", count_text(len(set(args.words)), "video"))


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_place(parser, checkpoint=False)


def _info(args: argparse.Namespace) -> None:
    store = place_of(args).open()
    about = store.about.model_dump()
    patterns = {pattern: len(numbers) for pattern, numbers in sorted(store.videos.by_pattern().items())}
    has = {name: sum(x[i] == "1" for x in store.videos.available.values()) for i, name in enumerate(about["experts"])}
    about |= {
        "place": store.place,
        "videos": len(store.videos),
        "bytes": store.size(),
        "patterns": patterns,
        "available": has,
    }
    print(json.dumps(about, indent=4) if args.json else "\n".join(info_lines(about)))
    store.close()


COMMANDS = {
    "query": Command("search by words or by a video (the default: `search.py WORD ...`)", _add_query, _query),
    "build": Command("embed the collection and write its index, in place of one that is there", add_place, _build),
    "add": Command("add what is new or changed to the index, and drop what is gone", _add_videos, _add),
    "remove": Command("remove videos from the index", _remove_videos, _remove),
    "info": Command("say what is in the index", _add_info, _info),
}
