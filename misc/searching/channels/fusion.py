"""Reciprocal rank fusion of rankings.

G. V. Cormack, C. L. A. Clarke, S. Buettcher. Reciprocal rank fusion outperforms Condorcet and individual rank learning
methods. SIGIR 2009.
"""

from collections.abc import Mapping, Sequence

RANK_CONSTANT = 60


def reciprocal(rank: int, weight: float) -> float:
    """Return the part of a score that follows from a rank, from 1, in one ranking."""
    return weight / (RANK_CONSTANT + rank)


def fuse(rankings: Mapping[str, Sequence[str]], weights: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the ids of all rankings, the best first, and their scores: sum over channels of weight / (60 + rank).

    Ranks begin with 1. Of equal scores, the one with the best rank in any channel is first, and then the one that an earlier
    channel found.
    """
    scores: dict[str, float] = {}
    best: dict[str, int] = {}
    for name, ids in rankings.items():
        for rank, video in enumerate(ids, 1):
            scores[video] = scores.get(video, 0.0) + reciprocal(rank, weights[name])
            best[video] = min(best.get(video, rank), rank)
    order = {video: number for number, video in enumerate(scores)}
    ranked = sorted(scores, key=lambda video: (-scores[video], best[video], order[video]))
    return [(video, scores[video]) for video in ranked]
