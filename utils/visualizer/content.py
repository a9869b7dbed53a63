"""What a page says of an evaluation, as plain values for JSON.

A *text* is what a row of the similarities stands for: a caption, or all captions of a video where they are averaged.
Videos and texts have the numbers of the lists `videos` and `texts` here, which hold only what the sampled queries need.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from model.metric import RECALL_LEVELS
from utils.names import normalize_name

if TYPE_CHECKING:  # the trainer imports this
    from trainer.evaluation import Evaluation

NUM_BEST = 5
BINS = ["1", *(f"{low + 1}–{high}" for low, high in zip(RECALL_LEVELS, RECALL_LEVELS[1:], strict=False))]
BINS.append(f"> {RECALL_LEVELS[-1]}")


def page_content(evaluation: "Evaluation", addresses: Mapping[str, str], num_samples: int) -> dict[str, Any]:
    """Metrics and histograms of all queries, and rankings of a sample of them.

    Args:
        addresses: of the video files, by id.
        num_samples: how many queries in each direction.

    Returns:
        bins: the names of the ranges of ranks.
        experts: their names.
        videos: {id, address (or None), has (0 or 1 for each expert), captions}.
        texts: {video, captions (positions in that video's), weights (of each expert, or None)}.
        t2v, v2t: {metrics (or None), histogram, candidates, queries}. A query has its `rank` (1-based), its `bin`, `truth`
            (the right candidate, the best of them in v2t), `similarity`, and `best`, up to five pairs of candidate and
            similarity.
    """
    return _Content(evaluation, addresses, num_samples).whole()


class _Content:
    def __init__(self, evaluation: "Evaluation", addresses: Mapping[str, str], num_samples: int):
        self.evaluation = evaluation
        self.addresses = addresses
        self.num_samples = num_samples
        self.rows = np.flatnonzero(evaluation.query_masks)  # (T,) of the texts that exist
        self.weights = _text_weights(evaluation)
        self.videos, self.texts = _Numbers(), _Numbers()

    def whole(self) -> dict[str, Any]:
        measured = self.evaluation.metrics
        t2v, v2t = self.text_to_video(), self.video_to_text()
        t2v["metrics"], v2t["metrics"] = measured.get("t2v_metrics"), measured.get("v2t_metrics")
        texts = [self.text(t) for t in self.texts.items]  # names further videos, so it comes first
        videos = [self.video(v) for v in self.videos.items]
        experts = self.evaluation.modalities
        return {"bins": BINS, "experts": experts, "videos": videos, "texts": texts, "t2v": t2v, "v2t": v2t}

    def video_of(self, text: int) -> int:
        return int(self.rows[text]) // self.evaluation.query_masks.shape[1]

    def text_to_video(self) -> dict[str, Any]:
        """Of all texts; the sampled ones with their best videos."""
        sims = self.evaluation.sims
        ranks = self.evaluation.ranks["t2v"]
        queries = []
        for text in self.sample(len(ranks)):
            number, video = self.rows[text], self.video_of(text)
            row = sims[number : number + 1][0]
            query = {"text": self.texts[text], "truth": self.videos[video], "similarity": _rounded(row[video])}
            best = [(self.videos[v], _rounded(row[v])) for v in best_first(row, NUM_BEST)]
            queries.append({**query, **_rank(ranks[text]), "best": best})
        return {"histogram": histogram(ranks), "candidates": sims.shape[1], "queries": queries}

    def video_to_text(self) -> dict[str, Any]:
        """Of all videos; the sampled ones with their best texts."""
        sims = self.evaluation.sims
        ranks = self.evaluation.ranks["v2t"]
        owners = self.rows // self.evaluation.query_masks.shape[1]
        queries, sampled = [], self.sample(len(ranks))
        for video, scores in zip(sampled, sims[:, sampled].T, strict=True):
            column = scores[self.rows]
            truth = int(np.where(owners == video, column, -np.inf).argmax())
            query = {"video": self.videos[video], "truth": self.texts[truth], "similarity": _rounded(column[truth])}
            best = [(self.texts[t], _rounded(column[t])) for t in best_first(column, NUM_BEST)]
            queries.append({**query, **_rank(ranks[video]), "best": best})
        return {"histogram": histogram(ranks), "candidates": len(self.rows), "queries": queries}

    def sample(self, count: int) -> list[int]:
        """The same queries of `count` each time, in order, without any draw from the global random states."""
        if count <= self.num_samples:
            return list(range(count))
        return sorted(np.random.default_rng(0).choice(count, self.num_samples, replace=False).tolist())

    def text(self, text: int) -> dict[str, Any]:
        video = self.video_of(text)
        num_captions = len(self.evaluation.raw_captions[video])
        averaged = len(self.evaluation.sims) == self.evaluation.sims.shape[1]  # also right for one caption a video
        captions = list(range(num_captions)) if averaged else [int(self.rows[text]) % self.evaluation.query_masks.shape[1]]
        weights = None if self.weights is None else [_rounded(x) for x in self.weights[text]]
        return {"video": self.videos[video], "captions": captions, "weights": weights}

    def video(self, video: int) -> dict[str, Any]:
        name = self.evaluation.video_ids[video]
        has = [int(x) for x in self.evaluation.available[video]]
        captions = self.evaluation.raw_captions[video]
        return {"id": name, "address": self.addresses.get(normalize_name(name)), "has": has, "captions": captions}


class _Numbers:
    """Numbers in the order of first use: `numbers[item]`."""

    def __init__(self):
        self._numbers: dict[int, int] = {}

    def __getitem__(self, item: int) -> int:
        return self._numbers.setdefault(int(item), len(self._numbers))

    @property
    def items(self) -> list[int]:
        return list(self._numbers)


def best_first(scores: np.ndarray, count: int) -> list[int]:
    """The positions of the highest of `scores` (N,), the first of equal ones first; no sort of all of them."""
    count = min(count, len(scores))
    candidates = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count].tolist()


def histogram(ranks: np.ndarray) -> list[int]:
    """How many of `ranks` (Q,), 0-based, lie in each of `BINS`; the sums from the left agree with R1, R5, R10 and R50."""
    return np.bincount([_bin(rank) for rank in ranks], minlength=len(BINS)).tolist()


def _bin(rank: float) -> int:
    return 0 if rank == 0 else 1 + sum(bool(rank >= level) for level in RECALL_LEVELS[1:])


def _rank(rank: float) -> dict[str, float]:
    return {"rank": float(rank) + 1, "bin": _bin(rank)}


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _text_weights(evaluation: "Evaluation") -> np.ndarray | None:
    """The weight (T, M) of each expert for each text: where captions are averaged, the mean of theirs."""
    weights = evaluation.weights
    if weights is None or len(weights) == evaluation.query_masks.sum():
        return weights
    ends = np.cumsum([len(captions) for captions in evaluation.raw_captions])
    return np.stack([part.mean(axis=0) for part in np.split(weights, ends[:-1])])
