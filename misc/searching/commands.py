"""The command line of `misc/search.py`; `misc.searching.running` runs its commands."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from base.schema import QuerybankSection
from misc.searching.choices import CHANNELS, INDEX_KINDS
from model.querybank import PUBLISHED_BETA

MIN_CACHE = 256  # MiB, the largest copy


class Command(NamedTuple):
    """A command: its help, and its arguments (flags and options of `add_argument`)."""

    help: str
    arguments: list[tuple[tuple[str, ...], dict[str, Any]]]


def _beta(text: str) -> str:
    """Check the inverse temperature of a query bank."""
    if text not in ("", "val"):
        try:
            QuerybankSection(beta=float(text))
        except (ValueError, OverflowError):  # also raised by pydantic
            raise argparse.ArgumentTypeError(f"'{text}', expected a number from 0.001 to 10000, or val") from None
    return text


def _cache_size(text: str) -> int:
    """Return the size of a cache of copies in MiB."""
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) >= MIN_CACHE):
        raise argparse.ArgumentTypeError(f"'{text}', expected a number of MiB from {MIN_CACHE}")
    return int(text)


def _argument(*flags: str, **options: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return flags, options


LOCATION = [
    _argument("--name", required=True, help="the collection"),
    _argument("--data_dir", metavar="DIR", type=Path, help="its folder (default: data/<name>)"),
    _argument("--index_dir", metavar="DIR", type=Path, help="folder of the index (default: <data_dir>/index)"),
    _argument("--uri", help="the index is in Milvus: a server (http://host:19530) or a local file (x.db)"),
]
WINDOWS = [
    _argument(
        "--window",
        metavar="SECONDS",
        type=float,
        help="cut videos of at least 30 s into windows of this length, and find moments (default: the last given, or 10; "
        "0: whole videos); the index of a model keeps the windows that it was built with",
    ),
    _argument("--stride", metavar="SECONDS", type=float, help="distance of windows (default: --window, without overlap)"),
]
CHECKPOINT = [
    _argument(
        "--checkpoint",
        "--resume",
        dest="resume",
        metavar="FILE",
        type=Path,
        help="the model, trained_model.pth (default: that of the index)",
    ),
    _argument("--config", metavar="FILE", type=Path, help="its config (default: the one in the checkpoint)"),
    _argument(
        "--index",
        choices=INDEX_KINDS,
        help="kind of a new index: flat (default) is exact, sq8 is compressed and scores the best exactly, ivf and hnsw are "
        "approximate",
    ),
    _argument("--device", metavar="N", type=int, help="the GPU that embeds (default: the CPU)"),
    *WINDOWS,
    *LOCATION,
]
ENCODER = _argument(
    "--encoder", metavar="SPEC", help="text encoder of queries (default: that in the collection's extraction.json)"
)
BANK = _argument(
    "--querybank",
    metavar="BETA",
    nargs="?",
    type=_beta,
    const="",
    help="correct a new index for hubs, videos that fit most queries, by the training captions of the model, at inverse "
    f"temperature BETA (default: as the config of the model says, else {PUBLISHED_BETA:g}), or with 'val' the one that is "
    "best on its validation videos",
)
CHANNEL_LIST = _argument(
    "--channels",
    metavar="NAME,...",
    help=f"what to search, some of {','.join(CHANNELS)} (default: all that the collection has)",
)
ZERO_SHOT = _argument(
    "--zero_shot",
    metavar="MODEL",
    help="where the image-text model is, open_clip:<name> or transformers:<name> (default: where it was at extraction)",
)
NO_BANK = _argument("--no_querybank", action="store_true", help="search as if the index had no query bank")
NO_FOLD = _argument("--no_fold", action="store_true", help="list near-duplicates one by one, not under the best of them")
VIDEO_HELP = "search by a video of the collection, or by the path of another one: similar videos, and captions"
JSON = _argument("--json", action="store_true", help="print JSON")
QUERY = [
    _argument("words", nargs="*", metavar="WORD", help="what is to be seen or heard, in one or several words"),
    _argument("--video", metavar="ID", help=VIDEO_HELP),
    _argument("--image", metavar="FILE", type=Path, help="search by an image: videos with a similar frame; also with words"),
    _argument("-k", metavar="N", type=int, default=10, help="number of results (default: %(default)s)"),
    _argument(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help="only videos with folder=birds, name=*red*, length<30 (seconds), date>=2024-05 or has=speech; may be repeated, "
        "and without a query lists them",
    ),
    NO_FOLD,
    JSON,
    _argument("--html", metavar="DIR", type=Path, help="also write the results as a page"),
    CHANNEL_LIST,
    ZERO_SHOT,
    NO_BANK,
    BANK,
    ENCODER,
    *CHECKPOINT,
]
ADDED = _argument("words", nargs="*", metavar="ID", help="only these videos, replaced if the index has them")
REMOVED = _argument("words", nargs="*", metavar="ID", help="videos of the index")
SERVER = [
    _argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s, only this machine)"),
    _argument("--port", metavar="N", type=int, default=8000, help="default: %(default)s; 0: any free one"),
    _argument("--open", action="store_true", help="open the page in a browser"),
    NO_FOLD,
    _argument(
        "--transcode",
        metavar="MIB",
        nargs="?",
        type=_cache_size,
        const=1024,
        help="let the page make copies of videos that a browser cannot play, in data/<name>/playable, at most so many MiB "
        "(default: 1024), of which the ones played longest ago are deleted",
    ),
    CHANNEL_LIST,
    ZERO_SHOT,
    BANK,
    ENCODER,
    *CHECKPOINT,
]
COMMANDS = {
    "query": Command("search by words or by a video (the default: `search.py WORD ...`)", QUERY),
    "build": Command(
        "write the index, in place of one that is there: of the model, or of the other channels", [BANK, *CHECKPOINT]
    ),
    "add": Command("add what is new or changed to the index, and drop what is gone", [ADDED, *CHECKPOINT]),
    "remove": Command("remove videos from the index of the trained model", [REMOVED, *LOCATION]),
    "info": Command("say what is in the index", [JSON, *LOCATION]),
    "serve": Command("a page in the browser that searches and plays the videos", SERVER),
}
