"""How many of the exact best an approximate index finds, and how much it has to look at for that."""

import numpy as np
import torch

from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.faiss_index import MAX_EFFORT
from misc.searching.patterns import as_query
from misc.searching.store import Store, find
from model.similarity import TextEmbedding, VideoEmbedding

MAX_QUERIES, K = 100, 10
TARGET = 0.95
ROUNDING = 1e-6  # between scores of one video that are computed in two ways


def sample_queries(embedder: Embedder, collection: Collection) -> tuple[TextEmbedding, str]:
    """Return queries to tune an index with, and what they are: captions of the collection, spread over all of them, or
    some of its videos where it has none.
    """
    views = collection.caption_vectors()
    where = [(view, row) for ids, view in views for row in range(len(ids))]
    if where:
        chosen = [where[i] for i in np.unique(np.linspace(0, len(where) - 1, MAX_QUERIES).astype(int))]
        return embedder.texts([view.vectors(row, 0) for view, row in chosen]), f"{len(chosen)} of its captions"
    ids = collection.ids[:MAX_QUERIES]
    videos = [embedder.videos(batch) for batch in collection.batches(ids, len(ids))]
    experts = [torch.cat(x) for x in zip(*(video.experts for video in videos), strict=True)]
    return as_query(VideoEmbedding(experts, torch.cat([video.available for video in videos]))), f"{len(ids)} of its videos"


def tune(store: Store) -> float:
    """Return the recall@K of an index with its own queries, after choosing the least effort that reaches the target.

    Where none does, all vectors are searched: the recall is 1.
    """
    exact = find(store, store.queries, K, exact=True)
    store.effort = 1
    while (recall := _recall(find(store, store.queries, K), exact)) < TARGET and store.effort <= MAX_EFFORT:
        store.effort *= 2
    return recall


def _recall(found: list[list[tuple[str, float]]], exact: list[list[tuple[str, float]]]) -> float:
    """Return the share of the best that were found; one of several videos with the same score is as good as another."""
    shares = []
    for hits, best in zip(found, exact, strict=True):
        if best:
            least = best[-1][1] - ROUNDING * max(1.0, abs(best[-1][1]))
            shares.append(min(1.0, sum(score >= least for _, score in hits) / len(best)))
    return float(np.mean(shares)) if shares else 1.0
