"""Reciprocal rank fusion of the rankings of channels.

G. V. Cormack, C. L. A. Clarke, S. Buettcher. Reciprocal rank fusion outperforms Condorcet and individual rank learning
methods. SIGIR 2009.
"""

from collections.abc import Mapping, Sequence

from misc.searching.channels.channel import ChannelHit
from misc.searching.windows import Moment, choose_moments

RANK_CONSTANT = 60
WORDS, CONCEPTS, TRAINED, IMAGE = "words", "concepts", "trained", "image"
# The weights of words and concepts, and their factors in `get_weight`, were chosen by geometric means on the validation
# captions of Stamps2 and of the narrated demo: the best ones beside a trained model. Without one, the root of the confidence
# of concepts was better by two of 500 captions, but a class of 2 % would count more than a misspelled word.
WEIGHTS = {WORDS: 1.0, CONCEPTS: 2.0, "zero_shot": 1.0, TRAINED: 1.0, IMAGE: 1.0}
# Of the weight, for hits by typos, which are often other words ("swimming" for "swinging"): less than a good concept has.
MISSPELLED_SHARE = 0.25


def get_weight(channel: str, hit: ChannelHit, beside_model: bool) -> float:
    """Return the weight of a hit in the fusion: that of the channel times a factor.

    The factor of concepts is their confidence, its square beside a trained model, which ranks all videos. That of words is
    their confidence beside a model. Without one, it is 1, or `MISSPELLED_SHARE`.
    """
    if channel == CONCEPTS:
        return WEIGHTS[channel] * hit.confidence ** (2 if beside_model else 1)
    if channel == WORDS and not beside_model:
        return WEIGHTS[channel] * (MISSPELLED_SHARE if hit.is_misspelled else 1)
    return WEIGHTS[channel] * hit.confidence


def fuse(rankings: Mapping[str, Sequence[ChannelHit]]) -> list[tuple[str, float]]:
    """Return the ids of all rankings, the best first, and their scores: sum over channels of weight / (60 + rank).

    Ranks begin with 1. Of equal scores, the one with the best rank in any channel is first, and then the one that an earlier
    channel found.
    """
    scores: dict[str, float] = {}
    best: dict[str, int] = {}
    for name, hits in rankings.items():
        for rank, hit in enumerate(hits, 1):
            weight = get_weight(name, hit, TRAINED in rankings)
            scores[hit.id] = scores.get(hit.id, 0.0) + weight / (RANK_CONSTANT + rank)
            best[hit.id] = min(best.get(hit.id, rank), rank)
    order = {video: number for number, video in enumerate(scores)}
    ranked = sorted(scores, key=lambda video: (-scores[video], best[video], order[video]))
    return [(video, scores[video]) for video in ranked]


def fuse_moments(found: Mapping[str, tuple[int, ChannelHit]], beside_model: bool) -> list[Moment]:
    """Return the best moments of a video, see `choose_moments`, by the sum over channels of weight / (60 + rank).

    The rank of a moment is that of the video in the channel for the channel's best moment of it, and one more for each
    further one. The weight of concepts is that of a hit with the score of the moment.

    Args:
        found: channel -> rank of the video, from 1, and its hit.
        beside_model: whether a trained model is one of the channels that were searched.
    """
    scores: dict[tuple[float, float], float] = {}
    for name, (rank, hit) in found.items():
        for number, moment in enumerate(hit.moments):
            if name == CONCEPTS:  # whose score is its confidence
                hit = hit._replace(confidence=min(1.0, moment.score))
            span, weight = (moment.start, moment.end), get_weight(name, hit, beside_model)
            scores[span] = scores.get(span, 0.0) + weight / (RANK_CONSTANT + rank + number)
    best = sorted(scores, key=lambda span: (-scores[span], span))
    return choose_moments(Moment(*span, scores[span]) for span in best)
