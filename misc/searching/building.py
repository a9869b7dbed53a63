"""Build an index, add videos to it, remove videos from it, and tune its effort."""

import contextlib
import logging
import time
from collections.abc import Sequence

import numpy as np
import torch

from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.faiss_index import MAX_EFFORT
from misc.searching.metadata import IndexKind, IndexMetadata
from misc.searching.patterns import as_query
from misc.searching.vector_store import IndexLocation, VectorStore
from model.similarity import TextEmbedding, VideoEmbedding
from utils.errors import InputError, count_text, first_names
from utils.names import match_name
from utils.progress import size_text

MAX_QUERIES, K = 100, 10
TARGET_RECALL = 0.95
TOLERANCE = 1e-6  # between two computations of one score

logger = logging.getLogger(__name__)


def build_index(
    embedder: Embedder, collection: Collection, location: IndexLocation, kind: IndexKind, missing_only: bool = False
) -> None:
    """Embed all videos of a collection and write their index, which replaces an existing one.

    If this process waited for another one that built the same index, that index is kept.

    Args:
        embedder: the checkpoint.
        collection: the videos.
        location: the location of the index.
        kind: the kind of index.
        missing_only: keep any index that another process built meanwhile.

    Raises:
        InputError: features do not fit the checkpoint.
    """
    metadata = embedder.index_metadata(collection.name, kind)
    with contextlib.closing(location.open(metadata)) as store:
        if store.waited and location.has_index() and (missing_only or _is_current(location, metadata, collection)):
            logger.info("%s: another process has built it: using that index", store.source)
            return
        started = time.perf_counter()
        _embed(embedder, collection, store, collection.ids)
        store.optimize()
        if kind != "flat":
            store.queries, queries_text = sample_queries(embedder, collection)
            recall = tune_effort(store)
        store.commit()
        seconds = time.perf_counter() - started
        size = "" if store.size() is None else f", {size_text(store.size())}"
        logger.info(
            "%s: %s in %s of experts, %s%s, in %.1f s", store.source, count_text(len(store.videos), "video"),
            count_text(len(store.videos.by_pattern()), "pattern"), kind, size, seconds,
        )  # fmt: skip
        if kind != "flat":
            logger.info(
                "%s: recall@%d %.3f against exact search with %s as queries (%s)",
                kind, K, recall, queries_text, _effort_text(store),
            )  # fmt: skip


def add_videos(
    embedder: Embedder, collection: Collection, location: IndexLocation, videos: Sequence[str] | None = None
) -> int:
    """Add videos to an index, replacing those that it already has, and return their number.

    Args:
        embedder: the checkpoint.
        collection: the videos.
        location: the location of the index.
        videos: ids of the videos (None: new and changed videos; indexed videos that no longer exist are removed).

    Raises:
        InputError: there is no index, it belongs to another checkpoint, or a video is not in the collection.
    """
    with contextlib.closing(location.open(writing=True)) as store:
        store.metadata.check_checkpoint(embedder.sha256, embedder.checkpoint, store.source)
        removed = []
        if videos is None:
            changed = collection.find_changed(store.videos)
            videos = [video for video in collection.ids if video not in store.videos] + changed
            removed = [video for video in store.videos.ids if video not in collection]
            store.remove(removed)
            for names, change in ((changed, "changed"), (removed, "gone")):
                if names:
                    logger.info("%s %s: %s", count_text(len(names), "video"), change, first_names(names))
        collection.check_ids(videos)
        videos = list(dict.fromkeys(videos))
        if videos or removed:
            _embed(embedder, collection, store, videos)
            if store.metadata.kind != "flat" and store.keeps_queries and store.queries is None:  # of an earlier version
                store.queries, _ = sample_queries(embedder, collection)
            _optimize_and_commit(store)
        return len(videos)


def remove_videos(location: IndexLocation, videos: Sequence[str]) -> None:
    """Remove videos from an index.

    Raises:
        InputError: there is no index, or a video is not in it.
    """
    with contextlib.closing(location.open(writing=True)) as store:
        videos = [match_name(video, store.videos) for video in videos]
        if unknown := [video for video in videos if video not in store.videos]:
            raise InputError(f"{store.source}: no video '{unknown[0]}' in it, expected one of its {len(store.videos)}")
        store.remove(dict.fromkeys(videos))
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
    videos = [embedder.embed_videos(batch) for batch in collection.load_videos(ids, len(ids))]
    experts = [torch.cat(x) for x in zip(*(video.experts for video in videos), strict=True)]
    return as_query(VideoEmbedding(experts, torch.cat([video.available for video in videos]))), f"{len(ids)} of its videos"


def tune_effort(store: VectorStore) -> float:
    """Choose the lowest effort that reaches the target recall@K for the queries of an index, and return the recall.

    If no effort reaches it, all vectors are searched, with a recall of 1.
    """
    exact = store.search(store.queries, K, exact=True)
    store.effort = 1
    while (recall := _recall(store.search(store.queries, K), exact)) < TARGET_RECALL and store.effort <= MAX_EFFORT:
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


def _is_current(location: IndexLocation, metadata: IndexMetadata, collection: Collection) -> bool:
    """Return whether an index exists that has this checkpoint, this kind, and all videos with their present features."""
    try:
        store = location.open()
    except InputError:  # damaged
        return False
    with contextlib.closing(store):
        same = (store.metadata.sha256, store.metadata.kind) == (metadata.sha256, metadata.kind)
        return same and set(store.videos.ids) == set(collection.ids) and not collection.find_changed(store.videos)


def _optimize_and_commit(store: VectorStore) -> None:
    """Adapt an index to its videos and write it; log an increase of its effort."""
    store.optimize()
    if store.metadata.kind != "flat" and store.queries is not None:
        before = store.effort
        recall = tune_effort(store)
        if store.effort > before:
            logger.info("%s: recall@%d %.3f (%s, before %d)", store.source, K, recall, _effort_text(store), before)
    store.commit()


def _effort_text(store: VectorStore) -> str:
    if store.effort <= MAX_EFFORT:
        return f"effort {store.effort}"
    return f"no effort up to {MAX_EFFORT} reaches {TARGET_RECALL}: everything is searched, as with --index flat"


def _embed(embedder: Embedder, collection: Collection, store: VectorStore, videos: Sequence[str]) -> None:
    for batch, embedding in embedder.embed_collection(collection, videos):
        store.add(batch.ids, batch.available, embedding, [collection.version(video) for video in batch.ids])
