"""The search page as HTML: the result of a search, a video, some videos, or an error."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from misc.searching.channels.fused_result import NO_VIDEO_FITS, FusedResult, finding_parts
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
from misc.searching.serving.files import Clips, encode_query
from utils.visualizer.visualizer import template

HERE = Path(__file__).parent
MAX_PAGE_K = 96  # results
SLOTS = ("result", "hit", "samples", "filtered", "is_empty", "error", "more", "other", "where", "image")
MAX_QUERY_LENGTH = 500  # characters
FUNCTIONS = {
    "findings": finding_parts,
    "remarks": format_remarks,
    "percentile_text": percentile_text,
    "add_times": add_times,
    "moment_text": moment_text,
}


class Page:
    """The search page of a collection, which `search.html.j2` renders."""

    def __init__(self, searcher: Searcher, name: str, clips: Clips, takes_images: bool, makes_copies: bool):
        self._searcher, self._clips = searcher, clips
        self._context = {"name": name, "max_query_length": MAX_QUERY_LENGTH, **FUNCTIONS}
        self._context |= {"videos": len(set(searcher.ids)), "lacking": len(searcher.lacking), "bank": searcher.bank}
        self._context |= {"has_model": bool(searcher.experts), "takes_images": takes_images, "makes_copies": makes_copies}
        self._template = template(HERE / "search.html.j2")

    def render_samples(
        self, number: int, is_empty: bool = False, allowed: Container[str] | None = None, where: str = ""
    ) -> bytes:
        """Return the page with about `number` videos; it says that a query was empty if it `is_empty`.

        They are of the `allowed` ones (None: all are), which the filter `where` selects.
        """
        ids = [x for x in self._searcher.ids if allowed is None or x in allowed]
        samples = [self._searcher.get_hit(x) for x in ids[:: max(1, -(-len(ids) // number))]]  # spread over all
        filtered = None if allowed is None else len(ids)
        return self._render(self._view(), samples=samples, is_empty=is_empty, filtered=filtered, where=where)

    def render_error(self, message: str, query: str) -> bytes:
        """Return the page with a message."""
        return self._render(self._view(query=query), error=message)

    def render_result(self, result: SearchResult, query: str, k: int, corrected: bool, where: str, image: str) -> bytes:
        """Return the page with the result of a query for k videos, by words, the token of an `image`, or both."""
        view = self._view(weights=result.weights, query=query, max_weight=highest_weight([result, *result.hits]))
        narrowed = {name: text for name, text in (("where", where), ("image", image)) if text.strip()}
        other, kept = self._bank_urls(corrected, q=query, **narrowed)
        details: dict[str, Any] = {
            "channels": [],
            "absent": {},
            "no_match": NO_VIDEO_FITS if where.strip() else "no video is in the index",
        }
        if isinstance(result, FusedResult):
            details = {"channels": result.channels, "absent": result.absent, "no_match": result.no_match}
            if "trained" not in result.channels:
                other = None  # the bank is that of the model
        return self._render(
            view,
            result=result,
            where=where,
            image=image,
            more=_more_url(len(result.hits), k, **kept),
            corrected=is_corrected(result.hits),
            other=other,
            **details,
        )

    def render_video(
        self, hit: Hit, similar: Sequence[Hit], captions: Sequence[CaptionHit], k: int, corrected: bool
    ) -> bytes:
        """Return the page of a video, with k similar ones and captions that fit it."""
        other, kept = self._bank_urls(corrected, video=hit.id)
        return self._render(
            self._view(queried_experts=hit.experts, max_weight=highest_weight(captions)),
            hit=hit,
            own_captions=self._searcher.get_captions(hit.id),
            similar=similar,
            captions=captions,
            more=_more_url(len(similar), k, **kept),
            corrected=is_corrected(captions),
            other=other,
        )

    def _bank_urls(self, corrected: bool, **parameters: str) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """Return a link to the same search with or without the query bank (None: no bank), and the parameters to keep."""
        if self._searcher.bank is None:
            return None, parameters
        without = {**parameters, "bank": "0"}
        other = {"label": "without it", "url": _page_url(**without)}
        if not corrected:
            other = {"label": "with it", "url": _page_url(**parameters)}
        return {**other, "used": corrected}, parameters if corrected else without

    def _view(self, **details: Any) -> ResultView:
        return ResultView(self._searcher.experts, self._clips.url, _page_url, self._clips.details, **details)

    def _render(self, view: ResultView, **content: Any) -> bytes:
        defaults = dict.fromkeys(SLOTS)
        page = self._template.render(view=view, **{**self._context, **defaults, **content})
        return page.encode("utf-8", "replace")


def _page_url(**parameters: object) -> str:
    return f"/?{encode_query(**parameters)}"


def _more_url(number: int, k: int, **parameters: str) -> str | None:
    """Return the URL of a longer list, at its next rank; None if the list of `number` hits is complete."""
    return f"{_page_url(**parameters, k=min(2 * k, MAX_PAGE_K))}#rank-{k + 1}" if number == k < MAX_PAGE_K else None
