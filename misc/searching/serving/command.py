"""`misc/search.py serve`."""

import argparse
import contextlib
import ipaddress
import logging
import socket
import webbrowser

from misc.optional_packages import require_package
from misc.searching.commands import add_place, place_of, searcher_of
from utils.errors import InputError

LOCAL = ("localhost", "127.0.0.1", "[::1]")
GRACE = 3  # seconds for responses under way when the server is told to end

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of `serve`."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at (default: %(default)s, this machine alone)"
    )
    parser.add_argument("--port", metavar="N", type=int, default=8000, help="default: %(default)s; 0: any free one")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_place(parser)


def run(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Raises:
        InputError: the address or the port cannot be used; what `searcher_of` raises.
    """
    uvicorn = require_package("uvicorn")
    require_package("starlette")
    from misc.searching.serving.app import make_app
    from misc.searching.serving.files import hide_unfinished

    with contextlib.closing(bound_socket(args.host, args.port)) as listener:
        searcher = searcher_of(args)
        address, port = listener.getsockname()[:2]
        local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        if not local:
            logger.warning("warning: listening at %s: whoever reaches this machine can search and see the videos", address)
        hosts = {*LOCAL, _in_address(args.host), _in_address(address)} if local else ["*"]
        app = make_app(searcher, args.name, place_of(args).folder, sorted(hosts))
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        hide_unfinished()
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
        )
        listening(listener)
        url = f"http://{_in_address(args.host if local else address)}:{port}/"
        logger.info("search page of %s: %s (Ctrl-C ends it)", args.name, url)
        if args.open and not webbrowser.open(url):  # the socket listens: a browser that is quick waits for the server
            logger.warning("no browser can be opened here: open %s yourself", url)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            searcher.close()


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at an address, which does not listen yet.

    Raises:
        InputError: there is no such address here, or the port is not free.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port}: expected a number from 0 to 65535")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except (socket.gaierror, UnicodeError):
        raise InputError(f"--host {host}: no such address") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        listener.close()
        raise InputError(f"--host {host} --port {port}: {error.strerror}, expected a free port (--port 0: any)") from None
    return listener


def listening(listener: socket.socket) -> None:
    """Let a bound socket listen.

    Raises:
        InputError: another process came first.
    """
    try:
        listener.listen(128)
    except OSError as error:
        port = listener.getsockname()[1]
        raise InputError(f"--port {port}: {error.strerror}, expected a free port (--port 0: any)") from None


def _in_address(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
