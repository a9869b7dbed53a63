"""Build an index, add videos to it, remove videos from it, and tune its effort."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from misc.searching.choices import IndexKind
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.embedding import Embedder
from misc.searching.index.faiss_index import MAX_EFFORT
from misc.searching.index.metadata import IndexMetadata
from misc.searching.index.patterns import as_query
from misc.searching.index.vector_store import IndexLocation, VectorStore
from misc.searching.windows import Windows, video_of
from model.similarity import TextEmbedding
from utils.errors import InputError, count_text, first_names
from utils.names import match_name
from utils.progress import bar, size_text

VIDEO_BATCH = 64
MAX_QUERIES, K = 100, 10
TARGET_RECALL = 0.95
TOLERANCE = 1e-6  # between two computations of one score

logger = logging.getLogger(__name__)


def build_index(
    embedder: Embedder,
    collection: Collection,
    location: IndexLocation,
    kind: IndexKind,
    missing_only: bool = False,
    beta: str | None = None,
    windows: Windows | None = None,
) -> None:
    """Embed all videos of a collection and write their index, which replaces an existing one.

    Long videos are cut into `windows` (None: they are not). With `beta`, it has a query bank of the training data of the
    checkpoint, see `Embedder.embed_bank`. If this process waited for another one that built the same index, or any index
    with `missing_only`, that index is kept.
    """
    if beta is not None and location.uri is not None:
        raise InputError("--querybank: an index in Milvus has no query bank, expected one in files (no --uri)")
    if kind == "sq8" and location.uri is not None:
        raise InputError("--index sq8: found --uri, expected an index in files, or flat, ivf or hnsw in Milvus")
    metadata = embedder.index_metadata(collection.name, kind).model_copy(update={"windows": windows})
    with contextlib.closing(location.open(metadata)) as store:
        if store.waited and location.has_index() and (missing_only or _is_current(location, metadata, collection, beta)):
            logger.info("%s: another process has built it: using that index", store.source)
            return
        started = time.perf_counter()
        if beta is not None:
            store.bank = embedder.embed_bank(beta)
            dataset, folder = store.bank.about.dataset, embedder.config["data_loader"]["args"]["data_dir"]
            if dataset != collection.name and Path(folder).resolve() != collection.folder.resolve():
                foreign = "measure whether it helps, or build without --querybank"
                logger.warning("the query bank holds captions of %s, not of %s: %s", dataset, collection.name, foreign)
        _embed(embedder, collection, store, collection.ids)
        CutCollection(collection, windows).warn_of_missing_moments()
        store.optimize()
        if kind != "flat":
            store.queries, queries_text = sample_queries(embedder, collection)
            recall = tune_effort(store)
        _update_and_commit(store)
        seconds = time.perf_counter() - started
        size = "" if store.size() is None else f", {size_text(store.size())}"
        if store.bank is not None:
            logger.info("%s: %s", store.source, store.bank.description)
        videos, patterns = describe_items(store), count_text(len(store.videos.by_pattern()), "pattern")
        logger.info("%s: %s in %s of experts, %s%s, in %.1f s", store.source, videos, patterns, kind, size, seconds)
        if kind != "flat":
            against = f"against exact search with {queries_text} as queries ({_effort_text(store)})"
            logger.info("%s: recall@%d %.3f %s", kind, K, recall, against)


def add_videos(
    embedder: Embedder, collection: Collection, location: IndexLocation, videos: Sequence[str] | None = None
) -> int:
    """Add videos to an index, replacing those that it already has, and return their number.

    Without `videos`, new and changed ones are added, and indexed videos that no longer exist are removed.
    """
    with contextlib.closing(location.open(writing=True)) as store:
        store.metadata.check_checkpoint(embedder.sha256, embedder.checkpoint, store.source)
        removed = []
        if videos is None:
            lacking, changed, removed = collection.compare(store.videos)
            videos = lacking + changed
            _remove(store, removed)
            for names, change in ((changed, "changed"), (removed, "gone")):
                if names:
                    logger.info("%s %s: %s", count_text(len(names), "video"), change, first_names(names))
        collection.check_ids(videos)
        videos = list(dict.fromkeys(videos))
        if videos or removed:
            _remove(store, videos)
            _embed(embedder, collection, store, videos)
            if store.metadata.kind != "flat" and store.keeps_queries and store.queries is None:  # of an earlier version
                store.queries, _ = sample_queries(embedder, collection)
            _optimize_and_commit(store)
        return len(videos)


def remove_videos(location: IndexLocation, videos: Sequence[str]) -> None:
    """Remove videos from an index."""
    with contextlib.closing(location.open(writing=True)) as store:
        known = store.videos.by_video()
        videos = [match_name(video, known) for video in videos]
        if unknown := [video for video in videos if video not in known]:
            raise InputError(f"{store.source}: no video '{unknown[0]}' in it, expected one of its {len(known)}")
        _remove(store, dict.fromkeys(videos))
        _optimize_and_commit(store)


def sample_queries(embedder: Embedder, collection: Collection) -> tuple[TextEmbedding, str]:
    """Return queries for tuning an index, and a description of them.

    They are captions spread over the collection, or some of its videos if it has no captions.
    """
    rows = [(captions, row) for ids, captions in collection.load_captions() for row in range(len(ids))]
    if rows:
        chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, MAX_QUERIES).astype(int))]
        return embedder.embed_texts([captions.vectors(row, 0) for captions, row in chosen]), f"{len(chosen)} of its captions"
    ids = collection.ids[:MAX_QUERIES]
    (batch,) = collection.load_videos(ids, len(ids))
    return as_query(embedder.embed_videos(batch)), f"{len(ids)} of its videos"


def tune_effort(store: VectorStore) -> float:
    """Choose the lowest effort that reaches the target recall@K for the queries of an index, and return the recall.

    With a query bank, it is the lower one of the recalls without and with the correction of all queries. If no effort
    reaches the target, all vectors are searched, with a recall of 1.
    """
    kinds = (False,) if store.bank is None else (False, True)
    exact = {corrected: store.search(store.queries, K, exact=True, corrected=corrected) for corrected in kinds}

    def measure() -> float:
        found = {corrected: store.search(store.queries, K, corrected=corrected) for corrected in kinds}
        return min(_recall(found[corrected], exact[corrected]) for corrected in kinds)

    store.effort = 1
    while (recall := measure()) < TARGET_RECALL and store.effort <= MAX_EFFORT:
        store.effort *= 2
    return recall


def _recall(results: list[list[tuple[str, float]]], exact: list[list[tuple[str, float]]]) -> float:
    """Return the mean share of the best videos by exact search that were found; equal scores are interchangeable."""
    shares = []
    for hits, best in zip(results, exact, strict=True):
        if best:
            threshold = best[-1][1] - TOLERANCE * max(1.0, abs(best[-1][1]))
            shares.append(min(1.0, sum(score >= threshold for _, score in hits) / len(best)))
    return float(np.mean(shares)) if shares else 1.0


def _is_current(location: IndexLocation, metadata: IndexMetadata, collection: Collection, beta: str | None) -> bool:
    """Return whether an index has this checkpoint, kind and beta of a bank, and all videos with their present features."""
    try:
        store = location.open()
    except InputError:  # damaged
        return False
    with contextlib.closing(store):
        has_bank = beta is None if store.bank is None else beta is not None and store.bank.about.fits(beta)
        found, expected = ((x.sha256, x.kind, x.windows) for x in (store.metadata, metadata))
        return has_bank and found == expected and not any(collection.compare(store.videos))


def _optimize_and_commit(store: VectorStore) -> None:
    """Adapt an index to its videos and write it; log an increase of its effort."""
    store.optimize()
    if store.metadata.kind != "flat" and store.queries is not None:
        before = store.effort
        recall = tune_effort(store)
        if store.effort > before:
            logger.info("%s: recall@%d %.3f (%s, before %d)", store.source, K, recall, _effort_text(store), before)
    _update_and_commit(store)


def _update_and_commit(store: VectorStore) -> None:
    """Adapt the query bank to the videos of an index, and write the index."""
    if store.bank is not None:
        store.bank.update(store)
    store.commit()


def _effort_text(store: VectorStore) -> str:
    if store.effort <= MAX_EFFORT:
        return f"effort {store.effort}"
    return f"no effort up to {MAX_EFFORT} reaches {TARGET_RECALL}: everything is searched, as with --index flat"


def describe_items(store: VectorStore) -> str:
    """Return the number of videos of an index, and of windows if there are some, as text."""
    by_video = store.videos.by_video()
    windows = sum(len(items) for video, items in by_video.items() if items != [video])
    return count_text(len(by_video), "video") + (f" ({count_text(windows, 'window')} of long ones)" if windows else "")


def _remove(store: VectorStore, videos: Iterable[str]) -> None:
    """Remove the items of videos from an index, if it has some."""
    by_video = store.videos.by_video()
    store.remove([item for video in videos for item in by_video.get(video, ())])


def _embed(embedder: Embedder, collection: Collection, store: VectorStore, videos: Sequence[str]) -> None:
    """Add videos, long ones in windows, to an index that has none of them, with a progress bar on a terminal."""
    cut, seen = CutCollection(collection, store.metadata.windows), set()
    with bar(description="embedding", file=sys.stderr, total=len(videos), unit="video") as progress:
        for batch in cut.load_items(videos, VIDEO_BATCH):
            owners = list(map(video_of, batch.ids))
            store.add(batch.ids, batch.available, embedder.embed_videos(batch), list(map(collection.version, owners)))
            progress.update(len(set(owners) - seen))
            seen.update(owners)
