"""The search page as an ASGI app."""

import asyncio
import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from misc.searching.answers import Hit
from misc.searching.searcher import Searcher
from misc.searching.serving.clips import MEDIA_TYPES, Clips, open_file, query
from misc.searching.serving.files import OpenFileResponse
from misc.searching.serving.view import View, highest_weight
from utils.errors import InputError, one_line
from utils.names import match_name
from utils.visualizer.visualizer import FOLDER, template

HERE = Path(__file__).parent
ASSETS = {
    "page.css": (FOLDER, "text/css"),
    "clips.js": (FOLDER, "text/javascript"),
    "search.css": (HERE, "text/css"),
    "search.js": (HERE, "text/javascript"),
}
USUAL_K, MOST_K = 12, 96
LONGEST_QUERY = 500  # characters
MOST_WAITING = 32  # requests
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

logger = logging.getLogger(__name__)


def make_app(searcher: Searcher, name: str, folder: Path, hosts: Sequence[str] = ("*",)) -> ASGIApp:
    """The page of a collection.

    Args:
        searcher: of it; used by one thread at a time.
        name: of the collection.
        folder: of the collection.
        hosts: the names by which the server may be addressed, "*" for any.
    """
    page = _Page(searcher, name, folder)
    routes = {
        "/": page.show,
        "/api/search": page.api_search,
        "/api/video": page.api_video,
        "/clip": page.clip,
        "/static/{name}": asset,
    }
    app = Starlette(
        routes=[Route(path, endpoint, methods=["GET"]) for path, endpoint in routes.items()],
        exception_handlers={HTTPException: page.refuse, Exception: page.fail},
    )
    return _Headers(TrustedHostMiddleware(app, allowed_hosts=list(hosts), www_redirect=False))


class Refused(HTTPException):
    """A request that says something that cannot be shown."""


class _Page:
    def __init__(self, searcher: Searcher, name: str, folder: Path):
        self._searcher, self._name = searcher, name
        self._clips = Clips(folder, searcher.ids, searcher.clip_of)
        self._known = frozenset(searcher.ids)
        numbers = {"videos": len(self._known), "lacking": len(searcher.lacking)}
        self._about = {"name": name, "longest": LONGEST_QUERY, **numbers}
        self._lock, self._waiting = asyncio.Lock(), 0
        self._template = template(HERE / "search.html.j2")

    # What requests ask for

    async def show(self, request: Request) -> Response:
        """The page itself, with what the address asks for."""
        words, video = request.query_params.get("q", ""), request.query_params.get("video")
        if words.strip():
            return await self._alone(lambda: self._render(**self._found(words, _number(request))))
        if video is not None:
            return await self._alone(lambda: self._render(**self._like(video, _number(request))))
        asked = "q" in request.query_params
        return await self._alone(lambda: self._render(view=self._view(), shelf=self._shelf(), empty=asked))

    async def api_search(self, request: Request) -> Response:
        """The answer to words, as JSON."""
        words = request.query_params.get("q", "")

        def answer() -> Response:
            found = dataclasses.asdict(self._search(words, _number(request)))
            found["hits"] = [self._served(hit) for hit in found["hits"]]
            return _json({"experts": self._searcher.experts, **found})

        return await self._alone(answer)

    async def api_video(self, request: Request) -> Response:
        """A video, the videos like it and the captions that fit it, as JSON."""
        video = request.query_params.get("id", "")

        def answer() -> Response:
            hit, similar, captions = self._around(video, _number(request))
            return _json(
                {
                    "experts": self._searcher.experts,
                    "video": self._served(dataclasses.asdict(hit)),
                    "similar": [self._served(dataclasses.asdict(other)) for other in similar],
                    "captions": [dataclasses.asdict(caption) for caption in captions],
                }
            )

        return await self._alone(answer)

    async def clip(self, request: Request) -> Response:
        """The file of a video, or the part of it that is asked for."""
        video = match_name(request.query_params.get("id", ""), self._known)
        return await _sent(lambda: self._clips.open(video), "no such clip", lambda path: MEDIA_TYPES[path.suffix.lower()])

    # Errors

    async def refuse(self, request: Request, error: HTTPException) -> Response:
        """An error that a request has made, in the form that it asks for."""
        path = request.url.path
        if path.startswith("/api/"):
            return _json({"error": error.detail}, error.status_code, error.headers)
        if path.startswith(("/clip", "/static/")):
            return PlainTextResponse(error.detail, error.status_code, error.headers)
        detail = error.detail if isinstance(error, Refused) else f"{error.status_code}: {error.detail}"
        words = request.query_params.get("q", "")[:LONGEST_QUERY]
        return self._render(error.status_code, error.headers, view=self._view(words=words), error=detail)

    async def fail(self, request: Request, error: Exception) -> Response:
        """An error of our own, which the terminal tells of."""
        return await self.refuse(request, Refused(500, "the search failed: the terminal that it runs in says why"))

    # What the searcher says; one thread at a time

    async def _alone(self, answer: Callable[[], Response]) -> Response:
        """`answer()` in a thread, when no other runs.

        Raises:
            Refused: the searcher refuses the input, or too many wait.
        """
        if self._waiting >= MOST_WAITING:
            raise Refused(503, f"busy: {self._waiting} searches wait, try again later", {"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._lock:
                return await run_in_threadpool(answer)
        except InputError as error:
            raise Refused(400, one_line(str(error))) from None
        except OSError as error:
            raise Refused(500, f"{error.filename or 'file system'}: {error.strerror or error}") from None
        finally:
            self._waiting -= 1

    def _search(self, words: str, k: int) -> Any:
        if len(words) > LONGEST_QUERY:
            raise Refused(400, f"query: {len(words)} characters, expected at most {LONGEST_QUERY}")
        return self._searcher.search(words, k)

    def _around(self, video: str, k: int) -> tuple[Hit, list[Hit], list[Any]]:
        video = match_name(video, self._known)
        if video not in self._known:
            raise Refused(404, f"no video '{video[:LONGEST_QUERY]}' in {self._name}")
        hit = self._searcher.hit_of(video)
        return hit, self._searcher.similar(video, k).hits, self._searcher.v2t(video, k)

    def _found(self, words: str, k: int) -> dict[str, Any]:
        answer = self._search(words, k)
        view = self._view(weights=answer.weights, words=words, highest=highest_weight([answer, *answer.hits]))
        return {"view": view, "answer": answer, "more": self._more(len(answer.hits), k, q=words)}

    def _like(self, video: str, k: int) -> dict[str, Any]:
        hit, similar, captions = self._around(video, k)
        view = self._view(partner=hit.experts, highest=highest_weight(captions))
        return {
            "view": view,
            "hit": hit,
            "own": self._searcher.captions_of(hit.id),
            "similar": similar,
            "captions": captions,
            "more": self._more(len(similar), k, video=hit.id),
        }

    def _more(self, found: int, k: int, **asked: str) -> str | None:
        """The address of a longer list, where it goes on; None if it is complete."""
        return f"/?{query(**asked, k=min(2 * k, MOST_K))}#rank-{k + 1}" if found == k < MOST_K else None

    def _shelf(self) -> list[Hit]:
        """Some videos, from all over the collection."""
        ids = self._searcher.ids
        return [self._searcher.hit_of(video) for video in ids[:: max(1, -(-len(ids) // USUAL_K))]]

    def _served(self, hit: dict[str, Any]) -> dict[str, Any]:
        return {**hit, "clip": self._clips.address(hit["id"])}

    def _view(self, **about: Any) -> View:
        return View(self._searcher.experts, self._clips, **about)

    def _render(self, status: int = 200, headers: Any = None, **content: Any) -> Response:
        usual = {"answer": None, "hit": None, "shelf": None, "empty": False, "error": None, "more": None}
        page = self._template.render(**{**self._about, **usual, **content})
        return Response(page.encode("utf-8", "replace"), status, headers, "text/html; charset=utf-8")


async def asset(request: Request) -> Response:
    """Style and scripts."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404, "no such file")
    folder, media_type = ASSETS[name]
    path = (folder / name).resolve()
    return await _sent(lambda: open_file(path), "no such file", lambda _: f"{media_type}; charset=utf-8")


async def _sent(find: Callable[[], BinaryIO | None], missing: str, media_type: Callable[[Path], str]) -> Response:
    """Return a response with the content of a file.

    Raises:
        HTTPException: `missing`, or the system cannot open it.
    """
    try:
        file = await run_in_threadpool(find)
    except OSError as error:
        logger.warning("%s: %s", error.filename, error.strerror)
        raise HTTPException(503, f"it cannot be opened: {error.strerror}") from None
    if file is None:
        raise HTTPException(404, missing)
    return OpenFileResponse(file, Path(file.name), media_type(Path(file.name)))


class _Headers:
    """Headers of every response, whatever has made it."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _number(request: Request) -> int:
    """How many results are asked for."""
    text = request.query_params.get("k", str(USUAL_K))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_K):
        raise Refused(400, f"k: '{text[:20]}', expected a number from 1 to {MOST_K}")
    return int(text)


def _json(content: Any, status: int = 200, headers: Any = None) -> Response:
    return Response(json.dumps(content, allow_nan=False), status, headers, "application/json")  # ASCII: lone surrogates, too
