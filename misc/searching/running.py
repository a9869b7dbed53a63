"""The commands of `misc/search.py`, run with parsed arguments."""

import argparse
import contextlib
import ipaddress
import json
import logging
import socket
import webbrowser

from data_loader.datasets import is_known
from misc.searching.answering import answer_query, check_query
from misc.searching.building import add_videos, build_index, describe_items, remove_videos
from misc.searching.channels.fused_result import NO_VIDEO_FITS, FusedResult, as_dict, finding_texts, format_fused_hits
from misc.searching.choices import CHANNELS, INDEX_KINDS
from misc.searching.collection import Collection
from misc.searching.opening import (
    NEW_INDEX_ONLY,
    NO_MODEL,
    check_model_options,
    choose_windows,
    find_checkpoint,
    get_location,
    open_channels,
    open_collection,
    open_searcher,
    warn_of_unused_options,
)
from misc.searching.result import format_captions, format_hits, format_remarks, is_corrected, write_page
from misc.searching.windows import Windows, describe_windows
from utils.errors import InputError, count_text
from utils.names import normalize_name
from utils.optional_packages import require_package
from utils.progress import size_text
from utils.visualizer.videos import LINK, POSTERS, link_videos

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
SHUTDOWN_SECONDS = 3  # for unfinished responses

logger = logging.getLogger(__name__)


def _query(args: argparse.Namespace) -> None:
    conditions = check_query(args)
    if args.html is not None and args.html.exists() and not args.html.is_dir():
        raise InputError(f"--html {args.html}: a file, expected a folder to write the page to")
    with contextlib.closing(open_searcher(args)) as searcher:
        result, captions, video = answer_query(searcher, args, conditions, get_location(args))
        is_fused = isinstance(result, FusedResult)
        if args.resume is not None and is_fused and "trained" in result.absent:
            logger.warning("trained: not searched: %s", result.absent["trained"])
        if args.json:
            content = as_dict(result)
            if video is not None:
                content["captions"] = [as_dict(hit) for hit in captions]
            print(json.dumps(content, indent=4, allow_nan=False))
        else:
            lines = format_fused_hits(result) if is_fused else format_hits(result, searcher.experts)
            nothing = f"no match: {NO_VIDEO_FITS}" if video is None else "no other video is similar to it"
            print("\n".join([*lines, *format_captions(captions)] or [nothing]))
        if args.html is not None:
            details = {"name": args.name, "videos": len(searcher.ids), "checkpoint": searcher.checkpoint}
            query_hit = searcher.get_hit(video) if isinstance(video, str) else None
            details["bank"] = searcher.bank if is_corrected(result.hits) else None
            details["no_match"] = result.no_match if is_fused and not result.hits else None
            details["remarks"] = format_remarks(result)
            posters = searcher.get_poster
            page = write_page(args.html, result, captions, searcher.metadata, query_hit, finding_texts, posters, **details)
            for name in (LINK, POSTERS):
                if (linked := get_location(args).folder / name).is_dir():
                    link_videos(args.html, linked, name)
            logger.info("page: %s", page)


def _build(args: argparse.Namespace) -> None:
    if args.resume is None and not get_location(args).has_index():
        _update_without_model(args)
        return
    _choose_checkpoint(args)
    embedder, collection, location = open_collection(args)
    options = {"beta": args.querybank, "windows": choose_windows(args, collection)}
    build_index(embedder, collection, location, args.index or INDEX_KINDS[0], **options)


def _add(args: argparse.Namespace) -> None:
    if args.index is not None:
        raise InputError(f"add: --index {NEW_INDEX_ONLY}")
    if args.resume is None and not get_location(args).has_index():
        _update_without_model(args)
        if args.words:
            raise InputError(f"add: {NO_MODEL}; the other channels have all videos")
        return
    _choose_checkpoint(args)
    added = add_videos(*open_collection(args), list(map(normalize_name, args.words)) or None)
    logger.info("%s added", count_text(added, "video"))


def _choose_checkpoint(args: argparse.Namespace) -> None:
    """Update the channels and choose the checkpoint of the index, for a command line that names none."""
    if args.resume is None:
        _update_channels(args)
        args.resume = find_checkpoint(get_location(args))


def _update_without_model(args: argparse.Namespace) -> None:
    """Update the files of the channels for a command line that has no model, and should have no option of one."""
    check_model_options(args)
    warn_of_unused_options(args)
    _update_channels(args)


def _update_channels(args: argparse.Namespace) -> None:
    """Update the files of the channels that need no model, and log what is in them."""
    for name, line in _describe_channels(args)[0].items():
        logger.info("%s: %s", name, line)


def _describe_channels(args: argparse.Namespace) -> tuple[dict[str, str], Windows | None]:
    """Return a line about each channel that needs no model, or why it cannot be searched, and their windows.

    The files of the channels are updated.
    """
    location = get_location(args)
    absent: dict[str, str] = {}
    collection = Collection(location.name, location.folder)
    windows = choose_windows(args, collection)
    channels = open_channels(collection, location.index_folder, CHANNELS, absent, windows)
    with contextlib.ExitStack() as stack:
        for channel in channels.values():
            stack.callback(channel.close)
        lines = {name: channel.describe() for name, channel in channels.items()}
    return lines | {name: f"not searched: {reason}" for name, reason in absent.items()}, windows


def _remove(args: argparse.Namespace) -> None:
    if not args.words:
        raise InputError("remove: expected the ids of videos")
    if not get_location(args).has_index():
        raise InputError(f"remove: {NO_MODEL}; the other channels have the videos of the folder as of its last extraction")
    remove_videos(get_location(args), args.words)
    videos = count_text(len(set(args.words)), "video")
    others = "other channels have them until they are extracted again without their files"
    logger.info("%s removed from the index of the model; %s", videos, others)


def _info(args: argparse.Namespace) -> None:
    args.window = args.stride = None  # those of the collection
    location = get_location(args)
    is_free = location.folder.is_dir() and not is_known(location.name)  # it can be searched without a model
    if is_free and not location.has_index():
        lines, windows = _describe_channels(args)
        lines["trained"] = NO_MODEL
        content = {"channels": {**lines}, "channel_windows": None if windows is None else windows.model_dump()}
        lines["long videos"] = describe_windows(windows)
        print(json.dumps(content, indent=4) if args.json else "\n".join(f"{x}: {y}" for x, y in lines.items()))
        return
    with contextlib.closing(location.open()) as store:
        lines, windows = _describe_channels(args) if is_free else ({}, None)
        metadata, size = store.metadata, store.size()
        patterns = {pattern: len(numbers) for pattern, numbers in sorted(store.videos.by_pattern().items())}
        bits = store.videos.columns.available
        available = {name: sum(x[i] == "1" for x in bits) for i, name in enumerate(metadata.experts)}
        if args.json:
            content = {"place": store.source, "videos": store.videos.num_videos, "items": len(store.videos)}
            content["bytes"] = size
            content["querybank"] = None if store.bank is None else store.bank.about.model_dump()
            content |= {"patterns": patterns, "available": available, "channels": lines}
            content["channel_windows"] = None if windows is None else windows.model_dump()
            print(json.dumps(metadata.model_dump() | content, indent=4))
            return
        size_part = "" if size is None else f", {size_text(size)}"
        videos = describe_items(store)
        print(f"{store.source}: {metadata.kind} index of {metadata.collection}, {videos}{size_part}")
        print(f"checkpoint: {metadata.checkpoint} (weights {metadata.sha256[:12]})")
        what = "videos and windows" if store.videos.has_windows else "videos"
        print(f"{what} with {', '.join(f'{name} {number}' for name, number in available.items())}")
        print(f"{count_text(len(patterns), 'pattern')} of experts")
        print("no query bank" if store.bank is None else store.bank.description)
        print(f"long videos: {describe_windows(metadata.windows)}")
        if is_free:
            lines["long videos in these channels"] = describe_windows(windows)
        for name, line in lines.items():
            print(f"{name}: {line}")


def _serve(args: argparse.Namespace) -> None:
    """Serve the search page until Ctrl-C or SIGTERM."""
    uvicorn = require_package("uvicorn")
    require_package("starlette")
    from misc.searching.serving.app import make_app
    from misc.searching.serving.copies import FOLDER, open_copies
    from misc.searching.serving.files import hide_unfinished_responses

    folder = get_location(args).folder
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(bind_socket(args.host, args.port)))
        searcher = stack.enter_context(contextlib.closing(open_searcher(args)))
        copies = None
        if args.transcode is not None:
            copies = stack.enter_context(open_copies(folder / FOLDER, args.transcode << 20))
        address, port = listener.getsockname()[:2]
        is_local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        if not is_local:
            logger.warning("warning: listening at %s: whoever reaches this machine can search and see the videos", address)
        hosts = {*LOCAL_HOSTS, _url_host(args.host), _url_host(address)} if is_local else ["*"]
        app = make_app(searcher, args.name, folder, sorted(hosts), copies, not args.no_fold)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        hide_unfinished_responses()
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        try:
            listener.listen(128)
        except OSError as error:  # another process was faster
            raise InputError(f"--port {port}: {error.strerror}, expected a free port (--port 0: any)") from None
        url = f"http://{_url_host(args.host if is_local else address)}:{port}/"
        logger.info("search page of %s: %s (Ctrl-C ends it)", args.name, url)
        if args.open and not webbrowser.open(url):  # the socket already listens: a fast browser waits for the server
            logger.warning("no browser can be opened here: open %s yourself", url)
        uvicorn.Server(config).run(sockets=[listener])


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address and does not listen yet."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port}: expected a number from 0 to 65535")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise InputError(f"--host {host}: no such address") from None
    family, kind, protocol, _, address = addresses[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise InputError(f"--host {host} --port {port}: {error.strerror}, expected a free port (--port 0: any)") from None
    return listener


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


FUNCTIONS = {"query": _query, "build": _build, "add": _add, "remove": _remove, "info": _info, "serve": _serve}


def run_command(args: argparse.Namespace) -> None:
    """Run the command that `args.command` names."""
    FUNCTIONS[args.command](args)
