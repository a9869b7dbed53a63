"""Open collections, indexes and channels for the commands of `misc/search.py`."""

import argparse
import contextlib
import logging
from collections.abc import Callable, Container
from pathlib import Path

import torch

from base.device import select_device
from misc.searching import calibration
from misc.searching.building import build_index
from misc.searching.channels import concepts, words_index, zero_shot
from misc.searching.channels.channel import Channel
from misc.searching.channels.concepts import ConceptsChannel
from misc.searching.channels.fused_searcher import FusedSearcher
from misc.searching.channels.words import WordsChannel
from misc.searching.channels.zero_shot import NO_FRAMES, ZeroShotChannel
from misc.searching.choices import CHANNELS, INDEX_KINDS
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.metadata import read_json, validate
from misc.searching.index.vector_store import IndexLocation
from misc.searching.searcher import Searcher
from misc.searching.windows import WINDOWS_FILE, Windows, describe_windows, make_windows
from utils.errors import InputError, count_text
from utils.files import write_json

OPENERS: dict[str, tuple[Callable[..., Channel], str]] = {
    "words": (WordsChannel, words_index.FILE),
    "concepts": (ConceptsChannel, concepts.FILE),
    "zero_shot": (ZeroShotChannel, zero_shot.CALIBRATION),
}
NO_MODEL = "no index of a trained model, expected --checkpoint FILE"
NEW_INDEX_ONLY = "only applies to a new index: misc/search.py build --checkpoint FILE"

logger = logging.getLogger(__name__)


def get_location(args: argparse.Namespace) -> IndexLocation:
    """Return the location of the collection and the index of a command line."""
    return IndexLocation(args.name, args.data_dir, args.index_dir, args.uri)


def check_model_options(args: argparse.Namespace, expected: str = "--checkpoint FILE") -> None:
    """Raise an InputError if a command line that uses no trained model has an option of one."""
    for name in ("config", "encoder", "index", "querybank", "uri"):
        if getattr(args, name, None) is not None:
            raise InputError(f"{args.command}: --{name} has no effect without a trained model, expected {expected}")


def warn_of_unused_options(args: argparse.Namespace, channels: Container[str] = ()) -> None:
    """Log a warning for each option without which a command without a trained model would do the same."""
    if getattr(args, "no_querybank", False):
        logger.warning("--no_querybank has no effect without a trained model")
    if args.device is not None and ZeroShotChannel.name not in channels:
        logger.warning("--device has no effect without a trained or an image-text model")


def open_collection(args: argparse.Namespace) -> tuple[Embedder, Collection, IndexLocation]:
    """Return the model of a command line, its collection, and the location of its index."""
    location = get_location(args)
    device = torch.device("cpu") if args.device is None else select_device(args.device)
    embedder = Embedder(args.resume, device, args.config)
    return embedder, Collection(location.name, location.folder, embedder.config, embedder.experts), location


def choose_windows(args: argparse.Namespace, collection: Collection) -> Windows | None:
    """Return the windows of a command line, which are kept for later ones, else those that are kept, else the default.

    They are None if they are switched off, or the extraction has stored no times.
    """
    path = get_location(args).index_folder / WINDOWS_FILE
    kept = _read_windows(path) if path.exists() else Windows()
    if args.window is None and args.stride is None:
        windows = kept
    else:
        windows = make_windows(args.window, args.stride, kept)
        if windows != kept or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"window": 0} if windows is None else windows.model_dump())
    if collection.moments is None:
        return None
    return windows


def _read_windows(path: Path) -> Windows | None:
    """Return the windows in a file; raise an InputError if it is damaged."""
    content = read_json(path)
    return None if content == {"window": 0} else validate(Windows, content, str(path))


def find_checkpoint(location: IndexLocation) -> Path:
    """Return the checkpoint that an index was built with.

    Raises:
        InputError: no index, a damaged one, or its checkpoint does not exist any more.
    """
    if not location.has_index():
        raise InputError(NO_MODEL)
    with contextlib.closing(location.open()) as store:
        checkpoint = Path(store.metadata.checkpoint)
        if not checkpoint.is_file():
            raise InputError(f"{store.source}: built with {checkpoint}, which does not exist: expected --checkpoint FILE")
    return checkpoint


def open_searcher(args: argparse.Namespace) -> Searcher | FusedSearcher:
    """Return the search of a command line in its channels: of a model only, that model's `Searcher`.

    Without `--checkpoint`, the model is the one that the index was built with, if its file exists. Without `--channels`, all
    channels that the collection has are searched.

    Raises:
        InputError: an unknown channel, one of `--channels` cannot be searched, there is none, or an option of a model
            without one.
    """
    wanted = _parse_channels(args.channels)
    absent: dict[str, str] = {}
    trained = None
    if "trained" in wanted:
        trained = _open_trained(args, absent)
    else:
        check_model_options(args, "trained in --channels")
        if args.resume is not None:
            absent["trained"] = "not in --channels"
    if trained is not None and wanted == ("trained",):
        return trained
    location = get_location(args)
    with contextlib.ExitStack() as stack:  # closes what is open if the rest fails
        if trained is not None:
            stack.callback(trained.close)
        collection = Collection(location.name, location.folder) if trained is None else trained.collection
        windows = choose_windows(args, collection)
        channels = open_channels(collection, location.index_folder, wanted, absent, windows)
        _load_zero_shot(args, channels, absent)
        if trained is None:
            warn_of_unused_options(args, channels)
        if args.channels is not None and (missing := [name for name in wanted if name in absent]):
            raise InputError(f"--channels {missing[0]}: {absent[missing[0]]}")
        if absent.get("trained", NO_MODEL) != NO_MODEL and "trained" in wanted:
            logger.warning("trained: not searched: %s", absent["trained"])
        stack.pop_all()
    return FusedSearcher(collection, channels, absent, trained, windows)


def open_channels(
    collection: Collection, folder: Path, wanted: tuple[str, ...], absent: dict[str, str], windows: Windows | None
) -> dict[str, Channel]:
    """Return the channels that a collection has, with their files in a folder; add the reasons of others to `absent`."""
    channels = {}
    for name, (channel, file) in OPENERS.items():
        if name in wanted:
            try:
                channels[name] = channel(collection, folder / file, windows=windows)
            except InputError as error:
                absent[name] = str(error)
    return channels


def _load_zero_shot(args: argparse.Namespace, channels: dict[str, Channel], absent: dict[str, str]) -> None:
    """Load the image-text model, if its channel is open; close the channel and add the reason to `absent` if that fails.

    Raises:
        InputError: `--zero_shot` names the model, and it cannot be searched.
    """
    name = ZeroShotChannel.name
    try:
        if name in channels:
            channels[name].load_model(args.zero_shot, "cpu" if args.device is None else str(select_device(args.device)))
    except InputError as error:
        channels.pop(name).close()
        absent[name] = str(error) if args.zero_shot else f"{error}; if it is elsewhere now: --zero_shot MODEL"
    if args.zero_shot is not None and name not in channels:
        raise InputError(f"--zero_shot: {absent.get(name, f'expected {name} in --channels')}")
    if args.channels is None and absent.get(name, NO_FRAMES) != NO_FRAMES:
        logger.warning("%s: not searched: %s", name, absent[name])


def _parse_channels(text: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas, in the order of `CHANNELS` (None: all)."""
    if text is None:
        return CHANNELS
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in CHANNELS]:
        raise InputError(f"--channels: '{unknown[0]}', expected some of {','.join(CHANNELS)}")
    if not names:
        raise InputError(f"--channels: empty, expected some of {','.join(CHANNELS)}")
    return tuple(name for name in CHANNELS if name in names)


def _open_trained(args: argparse.Namespace, absent: dict[str, str]) -> Searcher | None:
    """Return the search by the model of a command line, or of the index; None, with the reason in `absent`, without one."""
    if args.resume is not None:
        return open_model(args)
    if not get_location(args).has_index():
        check_model_options(args)
    try:
        checkpoint = find_checkpoint(get_location(args))
        return open_model(argparse.Namespace(**{**vars(args), "resume": checkpoint}))
    except InputError as error:  # a model that nobody asked for does not end the search
        absent["trained"] = str(error)
        return None


def open_model(args: argparse.Namespace) -> Searcher:
    """Return the search by a model, after building its index if it does not exist."""
    embedder, collection, location = open_collection(args)
    if not location.has_index():
        logger.info("no index of %s yet: building it", location.name)
        options = {"beta": args.querybank, "windows": choose_windows(args, collection)}
        build_index(embedder, collection, location, args.index or INDEX_KINDS[0], missing_only=True, **options)
    searcher = Searcher(embedder, collection, location.open(), args.encoder, location.index_folder / calibration.FILE)
    if args.querybank is not None and not (searcher.bank_metadata and searcher.bank_metadata.fits(args.querybank)):
        found = searcher.bank or "no query bank"
        logger.warning("the index has %s: --querybank %s", found, NEW_INDEX_ONLY)
    kind = searcher.metadata.kind
    if args.index not in (None, kind):
        logger.warning("the index is %s: --index %s %s", kind, args.index, NEW_INDEX_ONLY)
    warn_of_other_windows(args, searcher)
    if searcher.lacking:
        number, first = count_text(len(searcher.lacking), "video"), searcher.lacking[0]
        logger.warning("the index lacks %s of %s, first '%s': misc/search.py add", number, location.name, first)
    if searcher.stale:
        number, first = count_text(len(searcher.stale), "video"), searcher.stale[0]
        logger.warning("%s in the index changed or are gone since, first '%s': misc/search.py add", number, first)
    return searcher


def warn_of_other_windows(args: argparse.Namespace, searcher: Searcher) -> None:
    """Log a warning if the index of a model has other windows than the command line or the collection."""
    found, rebuild = searcher.metadata.windows, "misc/search.py build --checkpoint FILE makes it again"
    if args.window is None and args.stride is None:
        if found is None and searcher.collection.moments is not None and searcher.collection.moments.lengths:
            logger.warning("the index of the model has whole videos only: %s, with moments", rebuild)
    elif found != (wanted := choose_windows(args, searcher.collection)):
        logger.warning("the index of the model has %s, not %s: %s", *map(describe_windows, (found, wanted)), rebuild)
