"""The content of a ranking page, as plain values for JSON.

A *text* is a row of the similarities: a caption, or all captions of a video if they are averaged. In the content, videos and
texts are numbered by their position in its lists `videos` and `texts`, which hold only those of the sampled queries.
"""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.names import normalize_name

NUM_BEST = 5  # candidates per query
RANK_LIMITS = (1, 5, 10, 50)  # the upper ends of the bins; the last bin is open
BINS = ["1", *(f"{low + 1}–{high}" for low, high in zip(RANK_LIMITS, RANK_LIMITS[1:], strict=False))]
BINS.append(f"> {RANK_LIMITS[-1]}")


@dataclasses.dataclass(frozen=True)
class PageData:
    """The result of an evaluation of V videos with K captions each and M experts; T texts exist."""

    metrics: Mapping[str, Mapping[str, float]]  # "t2v" or "v2t" -> metrics by name
    ranks: Mapping[str, np.ndarray]  # "t2v" -> (T,), the 0-based rank per text; "v2t" -> (V,), the 0-based rank per video
    sims: np.ndarray  # similarities of texts and videos, (V*K, V); (V, V) if captions are averaged
    query_masks: np.ndarray  # (V, K), false for captions that do not exist; (V, 1) if captions are averaged
    video_ids: Sequence[str]  # V
    captions: Sequence[Sequence[str]]  # V lists
    experts: Sequence[str]  # M names
    available: np.ndarray  # (V, M), 1 if the video has the expert, otherwise 0
    weights: np.ndarray | None  # (N, M), of each expert for each of the N captions (None: the model has no weights)


def page_content(data: PageData, addresses: Mapping[str, str], num_samples: int) -> dict[str, Any]:
    """Return metrics and histograms of all queries, and rankings of a sample of `num_samples` in each direction.

    Returns:
        bins, experts: names of the ranges of ranks and of the experts.
        videos: {id, address (of its clip in `addresses`, or None), has (availability of each expert, 0 or 1), captions}.
        texts: {video, captions (positions in the captions of that video), weights (of each expert, or None)}.
        t2v, v2t: {metrics (or None), histogram, candidates, queries}. A query has its `rank` (1-based), its `bin`, `truth`
            (the correct candidate; in v2t the best of several), `similarity`, and `best`, up to five pairs of candidate and
            similarity.
    """
    content = _Content(data, addresses, num_samples)
    t2v, v2t = content.text_to_video(), content.video_to_text()
    texts = [content.text(t) for t in content.text_numbers]  # first, as it numbers further videos
    videos = [content.video(v) for v in content.video_numbers]
    return {"bins": BINS, "experts": data.experts, "videos": videos, "texts": texts, "t2v": t2v, "v2t": v2t}


class _Content:
    def __init__(self, data: PageData, addresses: Mapping[str, str], num_samples: int):
        self.data = data
        self.addresses = addresses
        self.num_samples = num_samples
        self.rows = np.flatnonzero(data.query_masks)  # (T,), the row of each text in `sims`
        self.owners, self.positions = np.divmod(self.rows, data.query_masks.shape[1])  # (T,), of each text
        self.is_averaged = len(data.sims) == data.sims.shape[1]  # also right for one caption per video
        self.weights = data.weights
        if data.weights is not None and len(data.weights) != len(self.rows):  # averaged: (T, M), the means over captions
            ends = np.cumsum([len(captions) for captions in data.captions])
            self.weights = np.stack([part.mean(axis=0) for part in np.split(data.weights, ends[:-1])])
        # Item -> number, in the order of first use.
        self.video_numbers, self.text_numbers = (defaultdict(itertools.count().__next__) for _ in range(2))

    def text_to_video(self) -> dict[str, Any]:
        queries = []
        for text in self.sample(len(self.rows)):
            scores = self.data.sims[self.rows[text]]  # (V,)
            query = {"text": self.text_numbers[text]}
            queries.append(query | self.ranking("t2v", text, self.owners[text], scores, self.video_numbers))
        return self.direction("t2v", self.data.sims.shape[1], queries)

    def video_to_text(self) -> dict[str, Any]:
        queries, videos = [], self.sample(len(self.data.video_ids))
        for video, column in zip(videos, self.data.sims[:, videos].T, strict=True):
            scores = column[self.rows]  # (T,)
            truth = np.where(self.owners == video, scores, -np.inf).argmax()
            query = {"video": self.video_numbers[video]}
            queries.append(query | self.ranking("v2t", video, truth, scores, self.text_numbers))
        return self.direction("v2t", len(self.rows), queries)

    def direction(self, name: str, num_candidates: int, queries: list[dict[str, Any]]) -> dict[str, Any]:
        # The sums of the histogram from the left agree with R1, R5, R10 and R50.
        histogram = np.bincount([_bin(rank) for rank in self.data.ranks[name]], minlength=len(BINS)).tolist()
        metrics = self.data.metrics.get(name)
        return {"metrics": metrics, "histogram": histogram, "candidates": num_candidates, "queries": queries}

    def ranking(self, name: str, query: int, truth: int, scores: np.ndarray, numbers: defaultdict) -> dict[str, Any]:
        """Return the rank of a query, its correct candidate, and the candidates with the highest `scores`."""
        rank = float(self.data.ranks[name][query])
        return {
            "truth": numbers[truth],
            "similarity": _rounded(scores[truth]),
            "rank": rank + 1,
            "bin": _bin(rank),
            "best": [(numbers[i], _rounded(scores[i])) for i in best_first(scores, NUM_BEST)],
        }

    def sample(self, count: int) -> list[int]:
        """Return the numbers of the queries to show, of `count`: the same each time, without using global random states."""
        if count <= self.num_samples:
            return list(range(count))
        return sorted(np.random.default_rng(0).choice(count, self.num_samples, replace=False).tolist())

    def text(self, text: int) -> dict[str, Any]:
        video = self.owners[text]
        captions = list(range(len(self.data.captions[video]))) if self.is_averaged else [int(self.positions[text])]
        weights = None if self.weights is None else [_rounded(x) for x in self.weights[text]]
        return {"video": self.video_numbers[video], "captions": captions, "weights": weights}

    def video(self, video: int) -> dict[str, Any]:
        name = self.data.video_ids[video]
        has = [int(x) for x in self.data.available[video]]
        address = self.addresses.get(normalize_name(name))
        return {"id": name, "address": address, "has": has, "captions": self.data.captions[video]}


def best_first(scores: np.ndarray, count: int) -> list[int]:
    """Return the positions of the highest of `scores` (N,), equal ones in their order, without sorting all of them."""
    count = min(count, len(scores))
    candidates = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count].tolist()


def _bin(rank: float) -> int:
    return 0 if rank == 0 else 1 + sum(bool(rank >= limit) for limit in RANK_LIMITS[1:])


def _rounded(value: float) -> float:
    return round(float(value), 4)
