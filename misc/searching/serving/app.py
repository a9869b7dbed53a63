"""The search page as an ASGI app."""

import asyncio
import dataclasses
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from misc.searching import filters
from misc.searching.channels.fused_result import as_dict
from misc.searching.folding import NearDuplicates
from misc.searching.result import CaptionHit, Hit, SearchResult, add_times
from misc.searching.searcher import Searcher
from misc.searching.serving.copies import Copies
from misc.searching.serving.files import Clips, encode_query, send_asset, send_file
from misc.searching.serving.images import Images, read_body
from misc.searching.serving.page import MAX_PAGE_K, MAX_QUERY_LENGTH, Page
from utils.errors import InputError, one_line
from utils.names import match_name

DEFAULT_K = 12  # results
MAX_WAITING = 32  # requests
TIME = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)  # seconds
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def make_app(
    searcher: Searcher,
    name: str,
    folder: Path,
    hosts: Sequence[str],
    copies: Copies | None = None,
    fold: bool = True,
) -> ASGIApp:
    """Return the search page of the collection `name`, for servers that are addressed by one of `hosts` ("*": any).

    Near-duplicates are folded, except without `fold`. It makes copies of videos that a browser cannot play in `copies`, if
    somebody asks for one (None: never).
    """
    endpoints = _Endpoints(searcher, name, folder, copies, fold)
    routes = {
        "/": endpoints.exclusively(endpoints.show),
        "/api/search": endpoints.exclusively(endpoints.api_search),
        "/api/video": endpoints.exclusively(endpoints.api_video),
        "/clip": endpoints.clip,
        "/copy": endpoints.copy,
        "/poster": endpoints.poster,
        "/static/{name}": send_asset,
    }
    app = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in routes.items()),
            Route("/api/image", endpoints.exclusively(endpoints.api_image, read_body), methods=["POST"]),
            Route("/api/copy", endpoints.api_copy, methods=["POST"]),
        ],
        exception_handlers={HTTPException: endpoints.show_error, Exception: endpoints.show_failure},
    )
    return _with_headers(TrustedHostMiddleware(app, allowed_hosts=list(hosts), www_redirect=False))


class RequestError(HTTPException):
    """A request that cannot be answered, with a message for the user."""


class _Endpoints:
    def __init__(self, searcher: Searcher, name: str, folder: Path, copies: Copies | None, fold: bool):
        self._searcher, self._name, self._facts_path = searcher, name, folder / "index" / filters.FILE
        self._duplicates = NearDuplicates(searcher.collection) if fold else None
        self._images = Images(searcher.collection) if getattr(searcher, "takes_images", False) else None
        self._clips = Clips(folder, searcher.ids, searcher.get_clip, copies)
        self._ids = frozenset(searcher.ids)
        self._page = Page(searcher, name, self._clips, self._images is not None, copies is not None)
        self._lock, self._waiting = asyncio.Lock(), 0

    def exclusively(
        self, answer: Callable[..., Response], read: Callable[[Request], Awaitable[bytes]] | None = None
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that calls `answer` in a thread, one request at a time, also with the body that `read` returns.

        It raises a `RequestError` if the input is invalid, the file system has an error, or too many requests are waiting.
        """

        async def endpoint(request: Request) -> Response:
            if self._waiting >= MAX_WAITING:
                raise RequestError(503, f"busy: {self._waiting} searches wait, try again later", {"Retry-After": "2"})
            self._waiting += 1
            try:
                body = () if read is None else (await read(request),)
                async with self._lock:
                    return await run_in_threadpool(answer, request, *body)
            except InputError as error:
                raise RequestError(400, one_line(str(error))) from None
            except OSError as error:
                raise RequestError(500, f"{error.filename or 'file system'}: {error.strerror or error}") from None
            finally:
                self._waiting -= 1

        return endpoint

    def show(self, request: Request) -> Response:
        """Return the page with the results for the parameters of the URL."""
        parameters = request.query_params
        query, image = parameters.get("q", ""), parameters.get("image", "")
        if query.strip() or image:
            k, corrected, where = _parse_k(request), _parse_bank(request), parameters.get("where", "")
            result = self._search(query, k, corrected, where, image)
            return _html(self._page.render_result(result, query, k, corrected, where, image))
        if "video" in parameters:
            k, corrected = _parse_k(request), _parse_bank(request)
            found = self._search_by_video(parameters["video"], k, corrected)
            return _html(self._page.render_video(*found, k, corrected))
        if where := parameters.get("where", "").strip():
            return _html(self._page.render_samples(DEFAULT_K, allowed=self._select(where), where=where))
        return _html(self._page.render_samples(DEFAULT_K, is_empty="q" in parameters))

    def api_search(self, request: Request) -> Response:
        """Return the result of a query by words as JSON."""
        parameters = request.query_params
        k, corrected = _parse_k(request), _parse_bank(request)
        narrowed = parameters.get("where", ""), parameters.get("image", "")
        result = self._search(parameters.get("q", ""), k, corrected, *narrowed)
        return _json({"experts": self._searcher.experts, **as_dict(result), "hits": self._with_urls(result.hits)})

    def api_video(self, request: Request) -> Response:
        """Return a video, similar videos and captions that fit it as JSON."""
        video = request.query_params.get("id", "")
        hit, similar, captions = self._search_by_video(video, _parse_k(request), _parse_bank(request))
        (video,), similar = self._with_urls([hit]), self._with_urls(similar)
        content = {"experts": self._searcher.experts, "video": video, "similar": similar}
        return _json({**content, "captions": [as_dict(caption) for caption in captions]})

    def api_image(self, request: Request, content: bytes) -> Response:
        """Return the token of an image, for the parameter `image` of searches, as JSON."""
        if self._images is None:
            raise RequestError(400, "image: the search in this collection takes none")
        return _json({"image": self._images.add(content)})

    async def clip(self, request: Request) -> Response:
        """Return the file of a video, or the requested range of it."""
        video = match_name(request.query_params.get("id", ""), self._ids)
        return await send_file(lambda: self._clips.open(video), "no such clip")

    async def poster(self, request: Request) -> Response:
        """Return the poster of a video, or of the part of a long one at the time `t` in seconds."""
        video = match_name(request.query_params.get("id", ""), self._ids)
        text = request.query_params.get("t", "")
        time = float(text) if TIME.fullmatch(text) else None
        return await send_file(lambda: self._clips.open_poster(video, time), "no such poster", "image/jpeg")

    async def copy(self, request: Request) -> Response:
        """Return the copy of a video that browsers play, or the requested range of it."""
        video = match_name(request.query_params.get("id", ""), self._ids)
        return await send_file(lambda: self._clips.open_copy(video), "no such copy", "video/mp4")

    async def api_copy(self, request: Request) -> Response:
        """Return the state of a copy of a video as JSON, after starting to make it if it does not exist."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":  # a page elsewhere could keep it busy
            raise RequestError(403, "not from this page")
        video = match_name(request.query_params.get("id", ""), self._ids)
        try:
            progress = await run_in_threadpool(self._clips.request_copy, video)
        except BlockingIOError as error:
            raise RequestError(503, str(error), {"Retry-After": "10"}) from None
        except OSError:  # the file has vanished
            progress = None
        if progress is None:
            raise RequestError(404, "no such clip, or the server makes no copies (serve --transcode)")
        url = f"/copy?{encode_query(id=video)}" if progress.state == "ready" else None
        return _json({**dataclasses.asdict(progress), "url": url})

    async def show_error(self, request: Request, error: HTTPException) -> Response:
        """Return an error as JSON, text or page, depending on the URL."""
        path = request.url.path
        if path.startswith("/api/"):
            return _json({"error": error.detail}, error.status_code, error.headers)
        if path.startswith(("/clip", "/copy", "/poster", "/static/")):
            return PlainTextResponse(error.detail, error.status_code, error.headers)
        detail = error.detail if isinstance(error, RequestError) else f"{error.status_code}: {error.detail}"
        query = request.query_params.get("q", "")[:MAX_QUERY_LENGTH]
        return _html(self._page.render_error(detail, query), error.status_code, error.headers)

    async def show_failure(self, request: Request, error: Exception) -> Response:
        """Return the response to an unexpected error, whose traceback is in the terminal."""
        return await self.show_error(request, RequestError(500, "the search failed: the terminal that it runs in says why"))

    def _search(self, query: str, k: int, corrected: bool, where: str = "", image: str = "") -> SearchResult:
        if len(query) > MAX_QUERY_LENGTH:
            raise RequestError(400, f"query: {len(query)} characters, expected at most {MAX_QUERY_LENGTH}")
        allowed = self._select(where) if where.strip() else None
        if not image:
            return self._fold(lambda number: self._searcher.search(query, number, corrected, allowed), k)
        if self._images is None:
            raise RequestError(400, "image: the search in this collection takes none")
        features = self._images.get(image)
        return self._fold(lambda number: self._searcher.search(query, number, corrected, allowed, features), k)

    def _select(self, where: str) -> frozenset[str]:
        """Return the videos that a filter selects."""
        if len(where) > MAX_QUERY_LENGTH:
            raise RequestError(400, f"where: {len(where)} characters, expected at most {MAX_QUERY_LENGTH}")
        try:
            return filters.select_videos(self._searcher.collection, filters.parse_conditions([where]), self._facts_path)
        except InputError as error:  # an option has that name on a command line
            raise InputError(str(error).replace("--where", "filter", 1)) from None

    def _search_by_video(self, video: str, k: int, corrected: bool) -> tuple[Hit, list[Hit], list[CaptionHit]]:
        video = match_name(video, self._ids)
        if video not in self._ids:
            raise RequestError(404, f"no video '{video[:MAX_QUERY_LENGTH]}' in {self._name}")
        hit = self._searcher.get_hit(video)
        similar = self._fold(lambda number: self._searcher.similar(video, number), k).hits
        return hit, similar, self._searcher.v2t(video, k, corrected)

    def _fold(self, search: Callable[[int], SearchResult], k: int) -> SearchResult:
        """Return the k best videos of a search, with near-duplicates folded."""
        return search(k) if self._duplicates is None else self._duplicates.fold(search, k, len(self._ids))

    def _with_urls(self, hits: Sequence[Hit]) -> list[dict[str, Any]]:
        """Return hits as JSON, with the URLs at which this server has their clips."""
        return [{**as_dict(hit), "clip": add_times(self._clips.url(hit.id), hit.moments)} for hit in hits]


def _with_headers(app: ASGIApp) -> ASGIApp:
    """Return an app that adds headers to every response."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await app(scope, receive, send_with_headers)

    return call


def _parse_k(request: Request) -> int:
    """Return the requested number of results."""
    text = request.query_params.get("k", str(DEFAULT_K))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_PAGE_K):
        raise RequestError(400, f"k: '{text[:20]}', expected a number from 1 to {MAX_PAGE_K}")
    return int(text)


def _parse_bank(request: Request) -> bool:
    """Return whether the query bank corrects the search, unless the request says bank=0."""
    text = request.query_params.get("bank", "1")
    if text not in ("0", "1"):
        raise RequestError(400, f"bank: '{text[:20]}', expected 0 or 1")
    return text == "1"


def _html(page: bytes, status: int = 200, headers: Any = None) -> Response:
    return Response(page, status, headers, "text/html; charset=utf-8")


def _json(content: Any, status: int = 200, headers: Any = None) -> Response:
    # ASCII, since captions may have unpaired surrogates, which JSONResponse cannot encode.
    return Response(json.dumps(content, allow_nan=False), status, headers, "application/json")
