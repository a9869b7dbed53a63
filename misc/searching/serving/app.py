"""The search page as an ASGI app."""

import asyncio
import dataclasses
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
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

from misc.searching import filters
from misc.searching.channels.fused_result import FusedResult, as_dict, finding_parts
from misc.searching.folding import NearDuplicates
from misc.searching.result import (
    CaptionHit,
    Hit,
    ResultView,
    SearchResult,
    add_times,
    format_remarks,
    highest_weight,
    is_corrected,
    moment_text,
    percentile_text,
)
from misc.searching.searcher import Searcher
from misc.searching.serving.copies import Copies
from misc.searching.serving.files import MEDIA_TYPES, Clips, OpenFileResponse, encode_query, open_file
from misc.searching.serving.images import Images, read_body
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
DEFAULT_K, MAX_PAGE_K = 12, 96
MAX_QUERY_LENGTH = 500  # characters
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

logger = logging.getLogger(__name__)


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
    page = _SearchPage(searcher, name, folder, copies, fold)
    routes = {
        "/": page.exclusively(page.show),
        "/api/search": page.exclusively(page.api_search),
        "/api/video": page.exclusively(page.api_video),
        "/clip": page.clip,
        "/copy": page.copy,
        "/poster": page.poster,
        "/static/{name}": send_asset,
    }
    app = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in routes.items()),
            Route("/api/image", page.exclusively(page.api_image, read_body), methods=["POST"]),
            Route("/api/copy", page.api_copy, methods=["POST"]),
        ],
        exception_handlers={HTTPException: page.show_error, Exception: page.show_failure},
    )
    return _with_headers(TrustedHostMiddleware(app, allowed_hosts=list(hosts), www_redirect=False))


class RequestError(HTTPException):
    """A request that cannot be answered, with a message for the user."""


class _SearchPage:
    def __init__(self, searcher: Searcher, name: str, folder: Path, copies: Copies | None, fold: bool):
        self._searcher, self._name, self._facts_path = searcher, name, folder / "index" / filters.FILE
        self._duplicates = NearDuplicates(searcher.collection) if fold else None
        self._images = Images(searcher.collection) if getattr(searcher, "takes_images", False) else None
        self._clips = Clips(folder, searcher.ids, searcher.get_clip, copies)
        self._ids = frozenset(searcher.ids)
        counts = {"videos": len(self._ids), "lacking": len(searcher.lacking), "bank": searcher.bank}
        self._context = {"name": name, "max_query_length": MAX_QUERY_LENGTH, **counts, "has_model": bool(searcher.experts)}
        self._context |= {"takes_images": self._images is not None, "makes_copies": copies is not None}
        self._context |= {"findings": finding_parts, "remarks": format_remarks, "percentile_text": percentile_text}
        self._context |= {"add_times": add_times, "moment_text": moment_text}
        self._lock, self._waiting = asyncio.Lock(), 0
        self._template = template(HERE / "search.html.j2")

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
        query, video = request.query_params.get("q", ""), request.query_params.get("video")
        image = request.query_params.get("image", "")
        if query.strip() or image:
            where = request.query_params.get("where", "")
            return self._render(**self._search_context(query, _parse_k(request), _parse_bank(request), where, image))
        if video is not None:
            return self._render(**self._video_context(video, _parse_k(request), _parse_bank(request)))
        ids = self._searcher.ids
        samples = [self._searcher.get_hit(x) for x in ids[:: max(1, -(-len(ids) // DEFAULT_K))]]  # spread over all
        return self._render(view=self._view(), samples=samples, is_empty="q" in request.query_params)

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
        return await _send_file(lambda: self._clips.open(video), "no such clip")

    async def poster(self, request: Request) -> Response:
        """Return the poster of a video, or of the part of a long one at the time `t` in seconds."""
        video = match_name(request.query_params.get("id", ""), self._ids)
        text = request.query_params.get("t", "")
        time = float(text) if TIME.fullmatch(text) else None
        return await _send_file(lambda: self._clips.open_poster(video, time), "no such poster", "image/jpeg")

    async def copy(self, request: Request) -> Response:
        """Return the copy of a video that browsers play, or the requested range of it."""
        video = match_name(request.query_params.get("id", ""), self._ids)
        return await _send_file(lambda: self._clips.open_copy(video), "no such copy", "video/mp4")

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
        return self._render(error.status_code, error.headers, view=self._view(query=query), error=detail)

    async def show_failure(self, request: Request, error: Exception) -> Response:
        """Return the response to an unexpected error, whose traceback is in the terminal."""
        return await self.show_error(request, RequestError(500, "the search failed: the terminal that it runs in says why"))

    def _search(self, query: str, k: int, corrected: bool, where: str = "", image: str = "") -> SearchResult:
        if len(query) > MAX_QUERY_LENGTH:
            raise RequestError(400, f"query: {len(query)} characters, expected at most {MAX_QUERY_LENGTH}")
        if len(where) > MAX_QUERY_LENGTH:
            raise RequestError(400, f"where: {len(where)} characters, expected at most {MAX_QUERY_LENGTH}")
        allowed = None
        if where.strip():
            conditions = filters.parse_conditions([where])
            allowed = filters.select_videos(self._searcher.collection, conditions, self._facts_path)
        if not image:
            return self._fold(lambda number: self._searcher.search(query, number, corrected, allowed), k)
        if self._images is None:
            raise RequestError(400, "image: the search in this collection takes none")
        features = self._images.get(image)
        return self._fold(lambda number: self._searcher.search(query, number, corrected, allowed, features), k)

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

    def _search_context(self, query: str, k: int, corrected: bool, where: str = "", image: str = "") -> dict[str, Any]:
        result = self._search(query, k, corrected, where, image)
        view = self._view(weights=result.weights, query=query, max_weight=highest_weight([result, *result.hits]))
        narrowed = {name: text for name, text in (("where", where), ("image", image)) if text.strip()}
        other, kept = self._bank_urls(corrected, q=query, **narrowed)
        more = _more_url(len(result.hits), k, **kept)
        context = {
            "where": where,
            "image": image,
            "view": view,
            "result": result,
            "more": more,
            "corrected": is_corrected(result.hits),
            "other": other,
        }
        if isinstance(result, FusedResult):
            if "trained" not in result.channels:
                context["other"] = None  # the bank is that of the model
            return context | {"channels": result.channels, "absent": result.absent, "no_match": result.no_match}
        return context | {"channels": [], "absent": {}, "no_match": "no video is in the index"}

    def _video_context(self, video: str, k: int, corrected: bool) -> dict[str, Any]:
        hit, similar, captions = self._search_by_video(video, k, corrected)
        other, kept = self._bank_urls(corrected, video=hit.id)
        return {
            "view": self._view(queried_experts=hit.experts, max_weight=highest_weight(captions)),
            "hit": hit,
            "own_captions": self._searcher.get_captions(hit.id),
            "similar": similar,
            "captions": captions,
            "more": _more_url(len(similar), k, **kept),
            "corrected": is_corrected(captions),
            "other": other,
        }

    def _bank_urls(self, corrected: bool, **parameters: str) -> tuple[dict[str, str] | None, dict[str, str]]:
        """Return a link to the same search with or without the query bank (None: no bank), and the parameters to keep."""
        if self._searcher.bank is None:
            return None, parameters
        without = {**parameters, "bank": "0"}
        other = {"label": "without it", "url": _page_url(**without)}
        if not corrected:
            other = {"label": "with it", "url": _page_url(**parameters)}
        return {**other, "used": corrected}, parameters if corrected else without

    def _with_urls(self, hits: Sequence[Hit]) -> list[dict[str, Any]]:
        """Return hits as JSON, with the URLs at which this server has their clips."""
        return [{**as_dict(hit), "clip": add_times(self._clips.url(hit.id), hit.moments)} for hit in hits]

    def _view(self, **details: Any) -> ResultView:
        return ResultView(self._searcher.experts, self._clips.url, _page_url, self._clips.details, **details)

    def _render(self, status: int = 200, headers: Any = None, **content: Any) -> Response:
        defaults = dict.fromkeys(("result", "hit", "samples", "is_empty", "error", "more", "other", "where", "image"))
        page = self._template.render(**{**self._context, **defaults, **content})
        return Response(page.encode("utf-8", "replace"), status, headers, "text/html; charset=utf-8")


async def send_asset(request: Request) -> Response:
    """Return a style sheet or script."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404, "no such file")
    folder, media_type = ASSETS[name]
    path = (folder / name).resolve()
    return await _send_file(lambda: open_file(path), "no such file", f"{media_type}; charset=utf-8")


async def _send_file(open_it: Callable[[], BinaryIO | None], not_found: str, media_type: str | None = None) -> Response:
    """Return a response with the content of a file, or raise an HTTPException."""
    try:
        file = await run_in_threadpool(open_it)
    except OSError as error:
        logger.warning("%s: %s", error.filename, error.strerror)
        raise HTTPException(503, f"it cannot be opened: {error.strerror}") from None
    if file is None:
        raise HTTPException(404, not_found)
    path = Path(file.name)
    return OpenFileResponse(file, path, media_type or MEDIA_TYPES[path.suffix.lower()])


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


def _page_url(**parameters: object) -> str:
    return f"/?{encode_query(**parameters)}"


def _more_url(number: int, k: int, **parameters: str) -> str | None:
    """Return the URL of a longer list, at its next rank; None if the list of `number` hits is complete."""
    return f"{_page_url(**parameters, k=min(2 * k, MAX_PAGE_K))}#rank-{k + 1}" if number == k < MAX_PAGE_K else None


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


def _json(content: Any, status: int = 200, headers: Any = None) -> Response:
    # ASCII, since captions may have unpaired surrogates, which JSONResponse cannot encode.
    return Response(json.dumps(content, allow_nan=False), status, headers, "application/json")
