"""The results of a search as a page, in the look of the ranking page."""

from collections.abc import Sequence
from pathlib import Path

from misc.searching.answers import Answer, CaptionHit, Hit
from misc.searching.place import Place
from misc.searching.searcher import Searcher
from utils.visualizer.videos import link_videos
from utils.visualizer.visualizer import FOLDER, render, script, write_bytes

HERE = Path(__file__).parent
ASSETS = (FOLDER / "page.css", FOLDER / "clips.js", FOLDER / "cards.js", HERE / "results.js")


def write_page(
    folder: Path, searcher: Searcher, answer: Answer, captions: Sequence[CaptionHit], place: Place, video: str | None
) -> Path:
    """Write `index.html` and what it needs to a folder, with a link to the clips: the path of the page.

    Args:
        captions: that fit `video`.
        video: that was asked with (None: words).

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (place.folder / "videos").is_dir():
        link_videos(folder, place.folder / "videos")
    for path in ASSETS:
        write_bytes(folder / path.name, path.read_bytes())
    content = {
        "experts": searcher.experts,
        "asked": None if video is None else _tile(searcher.hit_of(video), searcher),
        "hits": [_tile(hit, searcher) for hit in answer.hits],
    }
    write_bytes(folder / "data.js", script("registerResults", content))
    query = answer.query if video is None else f"Videos like {video}"
    html = render(
        HERE / "results.html.j2",
        query=query,
        name=place.name,
        videos=len(searcher.ids),
        checkpoint=searcher.checkpoint,
        captions=captions,
    )
    write_bytes(folder / "index.html", html.encode("utf-8", "replace"))
    return folder / "index.html"


def _tile(hit: Hit, searcher: Searcher) -> dict[str, object]:
    """A video of the page."""
    has = [int(name in hit.experts) for name in searcher.experts]
    counts = [1] * len(has) if searcher.keep_missing else has
    words = [f"{expert}: {' '.join(found)}" for expert, found in hit.words.items()]
    text = " / ".join([*words, *hit.captions[:1]])
    tile = {"video": {"id": hit.id, "address": hit.clip, "has": has, "counts": counts}, "text": text}
    if hit.weights is not None:
        tile["weights"] = list(hit.weights.values())  # as they apply to this video
    return tile if hit.similarity is None else {**tile, "similarity": hit.similarity}
