"""How many of the exact best an index finds."""

import dataclasses

import numpy as np
import torch

from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.patterns import as_query
from misc.searching.store import Store, find
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity

QUERIES, K = 100, 10
TARGET, MOST_EFFORT = 0.95, 64


@dataclasses.dataclass
class Probe:
    """Some queries, and the best videos for them by the model's score, found as videos come by.

    Attributes:
        queries: their embeddings.
        what: what they are, for people.
    """

    queries: TextEmbedding
    what: str
    l2renorm: bool

    def __post_init__(self):
        self._scores = torch.zeros(len(self.queries.weights), 0)
        self._videos: list[str] = []
        self._best = torch.zeros(len(self.queries.weights), 0, dtype=torch.long)

    @classmethod
    def of(cls, embedder: Embedder, collection: Collection) -> "Probe":
        """Captions of the collection, spread over all of them, or some of its videos where it has none."""
        views = collection.caption_vectors()
        where = [(view, row) for ids, view in views for row in range(len(ids))]
        l2renorm = embedder.model.l2renorm
        if where:
            chosen = [where[i] for i in np.unique(np.linspace(0, len(where) - 1, QUERIES).astype(int))]
            vectors = [view.vectors(row, 0) for view, row in chosen]
            return cls(embedder.texts(vectors), f"{len(chosen)} of its captions", l2renorm)
        ids = collection.ids[:QUERIES]
        videos = [embedder.videos(batch) for batch in collection.batches(ids, len(ids))]
        experts = [torch.cat(x) for x in zip(*(video.experts for video in videos), strict=True)]
        joined = VideoEmbedding(experts, torch.cat([video.available for video in videos]))
        return cls(as_query(joined), f"{len(ids)} of its videos", l2renorm)

    def see(self, videos: list[str], embedding: VideoEmbedding) -> None:
        """Take further videos into account."""
        new = torch.arange(len(self._videos), len(self._videos) + len(videos)).expand(len(self._best), -1)
        self._videos += videos
        scores = torch.cat([self._scores, pairwise_similarity(self.queries, embedding, self.l2renorm)], dim=1)
        self._scores, order = scores.sort(dim=1, descending=True, stable=True)
        self._scores = self._scores[:, :K]
        self._best = torch.cat([self._best, new], dim=1).gather(1, order)[:, :K]

    def recall(self, store: Store) -> float:
        """Which share of the best K an index finds."""
        shares = []
        for row, found in zip(self._best.tolist(), find(store, self.queries, K), strict=True):
            expected = {self._videos[i] for i in row}
            shares.append(len(expected & {video for video, _ in found}) / len(expected))
        return float(np.mean(shares))

    def tune(self, store: Store) -> float:
        """Let an approximate index look at more until it finds enough of the best: the recall."""
        while (recall := self.recall(store)) < TARGET and store.effort < MOST_EFFORT:
            store.effort *= 2
        return recall
