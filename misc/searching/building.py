"""Making an index, and changing it."""

import logging
import time
from collections.abc import Sequence

from misc.searching.about import About, Kind
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.faiss_index import MAX_EFFORT
from misc.searching.place import Place
from misc.searching.probe import TARGET, K, sample_queries, tune
from misc.searching.store import Store, add, remove
from utils.errors import InputError, count_text, first_names
from utils.names import match_name
from utils.progress import size_text

logger = logging.getLogger(__name__)


def build(embedder: Embedder, collection: Collection, place: Place, kind: Kind, missing_only: bool = False) -> None:
    """Embed all videos of a collection and write their index, in place of one that is there.

    Where another process was changing the index, and has made the same meanwhile, nothing is done.

    Args:
        missing_only: whether to leave any index alone that another process has made meanwhile.

    Raises:
        InputError: features that do not fit the checkpoint.
    """
    about = embedder.about(collection.name, kind)
    store = place.open(about)
    try:
        if store.waited and place.has_index() and (missing_only or _is_current(place, about, collection)):
            logger.info("%s: the other process has built it: it is used as it is", store.place)
            return
        started = time.perf_counter()
        _embed(embedder, collection, store, collection.ids)
        store.settle()
        what, recall = "", None
        if kind != "flat":
            store.queries, what = sample_queries(embedder, collection)
            recall = tune(store)
        store.commit()
        seconds = time.perf_counter() - started
        size = "" if store.size() is None else f", {size_text(store.size())}"
        logger.info(
            "%s: %s in %s of experts, %s%s, in %.1f s", store.place, count_text(len(store.videos), "video"),
            count_text(len(store.videos.by_pattern()), "pattern"), kind, size, seconds,
        )  # fmt: skip
        if recall is not None:
            logger.info(
                "%s: recall@%d %.3f against exact search with %s as queries (%s)",
                kind, K, recall, what, _effort_text(store),
            )  # fmt: skip
    finally:
        store.close()


def extend(embedder: Embedder, collection: Collection, place: Place, videos: Sequence[str] | None) -> int:
    """Add videos to an index: how many. Those that are there already are embedded anew.

    Args:
        videos: which (None: those that it lacks or that have changed; and those that are no more are removed).

    Raises:
        InputError: no index, one of another checkpoint, or a video that is not in the collection.
    """
    store = place.open(writing=True)
    try:
        store.about.refuse_other(embedder.sha256, embedder.checkpoint, store.place)
        if videos is None:
            changed = collection.changed(store.videos)
            videos = [video for video in collection.ids if video not in store.videos] + changed
            gone = [video for video in store.videos.ids if video not in collection]
            remove(store, gone)
            for names, what in ((changed, "changed"), (gone, "vanished")):
                if names:
                    logger.info("%s %s: %s", count_text(len(names), "video"), what, first_names(names))
        else:
            gone = []
        collection.check(videos)
        videos = list(dict.fromkeys(videos))
        if videos or gone:
            _embed(embedder, collection, store, videos)
            if store.about.kind != "flat" and store.keeps_queries and store.queries is None:  # of an older version
                store.queries, _ = sample_queries(embedder, collection)
            _settle(store)
            store.commit()
        return len(videos)
    finally:
        store.close()


def shrink(place: Place, videos: Sequence[str]) -> None:
    """Remove videos from an index.

    Raises:
        InputError: no index, or a video that it does not have.
    """
    store = place.open(writing=True)
    try:
        videos = [match_name(video, store.videos) for video in videos]
        if unknown := [video for video in videos if video not in store.videos]:
            raise InputError(f"{store.place}: no video '{unknown[0]}' in it, expected one of its {len(store.videos)}")
        remove(store, list(dict.fromkeys(videos)))
        _settle(store)
        store.commit()
    finally:
        store.close()


def _is_current(place: Place, about: About, collection: Collection) -> bool:
    """Return whether an index is of this checkpoint and kind, and of all videos as they are now."""
    try:
        store = place.open()
    except InputError:  # damaged
        return False
    try:
        same = (store.about.sha256, store.about.kind) == (about.sha256, about.kind)
        return same and set(store.videos.ids) == set(collection.ids) and not collection.changed(store.videos)
    finally:
        store.close()


def _settle(store: Store) -> None:
    """Adapt an index to what it holds now, and say where it has to search more than before."""
    store.settle()
    if store.about.kind == "flat" or store.queries is None:
        return
    before = store.effort
    recall = tune(store)
    if store.effort > before:
        logger.info("%s: recall@%d %.3f (%s, before %d)", store.place, K, recall, _effort_text(store), before)


def _effort_text(store: Store) -> str:
    if store.effort <= MAX_EFFORT:
        return f"effort {store.effort}"
    return f"no effort up to {MAX_EFFORT} reaches {TARGET}: everything is searched, as with --index flat"


def _embed(embedder: Embedder, collection: Collection, store: Store, videos: Sequence[str]) -> None:
    for batch, embedding in embedder.collection(collection, videos):
        add(store, batch.ids, batch.available, embedding, [collection.version(video) for video in batch.ids])
