"""The score as inner products: one index for the videos that have the same experts.

    s(t, v) = sum_i w_i a_vi <t_i, v_i> / sum_i w_i a_vi

For all videos with the same experts S the denominator is the same, so that s(t, v) is the inner product of the joined
embeddings [v_i, i in S] and of the query [w_i t_i, i in S] / sum_{i in S} w_i. A *pattern* is S as a string of 0 and 1, one
for each embedding. The best of each pattern, merged, are the best of all, exactly. Videos without any expert score 0.
"""

from collections.abc import Sequence

import numpy as np
import torch

from model.similarity import TextEmbedding, VideoEmbedding, as_denominator


def pattern_of(row: Sequence[float]) -> str:
    """The pattern of a video, from its availability (M,)."""
    return "".join("1" if x else "0" for x in row)


def is_empty(pattern: str) -> bool:
    """Whether it is that of the videos without any expert."""
    return "1" not in pattern


def members(pattern: str) -> list[int]:
    """The numbers of its embeddings."""
    return [i for i, bit in enumerate(pattern) if bit == "1"]


def width(pattern: str, dims: Sequence[int]) -> int:
    """The dimension of its vectors."""
    return sum(dims[i] for i in members(pattern))


def as_query(video: VideoEmbedding) -> TextEmbedding:
    """Videos as queries: each of their experts has weight 1, and the score is the mean of <u_i, v_i> over the experts that
    both videos have (with `l2renorm`, the cosine of their joined embeddings)."""
    return TextEmbedding(video.experts, video.available)


def video_vectors(video: VideoEmbedding, pattern: str, l2renorm: bool) -> np.ndarray:
    """The vectors of N videos, all of `pattern`: (N, width), of length 1 (or 0) with `l2renorm`."""
    joined = torch.cat([video.experts[i] for i in members(pattern)], dim=1)
    if l2renorm:
        joined = joined / as_denominator(joined.norm(dim=1, keepdim=True))
    return joined.numpy()


def query_vectors(text: TextEmbedding, pattern: str, l2renorm: bool) -> np.ndarray:
    """The vectors of T queries for the index of `pattern`, (T, width), divided by the sum of their weights over it.

    Args:
        l2renorm: divide by their lengths instead.
    """
    chosen = members(pattern)
    weights = text.weights[:, chosen].double()  # those of a pattern may all be tiny
    joined = torch.cat([text.experts[i] * w[:, None] for i, w in zip(chosen, weights.T, strict=True)], dim=1)
    scale = joined.norm(dim=1, keepdim=True) if l2renorm else weights.sum(dim=1, keepdim=True)
    return (joined / as_denominator(scale)).float().numpy()


def as_rows(text: TextEmbedding) -> np.ndarray:
    """Return T queries as a matrix to be written, (T, M' + the sum of the dims) float32: the weights and the embeddings."""
    return torch.cat([text.weights, *text.experts], dim=1).numpy()


def from_rows(rows: np.ndarray, dims: Sequence[int]) -> TextEmbedding:
    """Return the queries that `as_rows` has made a matrix of."""
    weights, *experts = torch.from_numpy(rows).split([len(dims), *dims], dim=1)
    return TextEmbedding(experts, weights)


def merged(parts: Sequence[tuple[np.ndarray, np.ndarray]], k: int) -> list[list[tuple[int, float]]]:
    """The best k of several lists, for each of T queries: pairs of a video's number and its score.

    Equal scores are in the order of the numbers.

    Args:
        parts: scores (T, n) and numbers (T, n), where -1 is none.
    """
    scores = np.concatenate([scores for scores, _ in parts], axis=1)
    numbers = np.concatenate([numbers for _, numbers in parts], axis=1)
    best = []
    for row, names in zip(scores, numbers, strict=True):
        found = np.flatnonzero(names >= 0)
        order = found[np.lexsort((names[found], -row[found]))][:k]
        best.append([(int(names[i]), float(row[i])) for i in order])
    return best
