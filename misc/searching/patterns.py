"""The score as an inner product, with one index for all videos that have the same experts.

    s(t, v) = sum_i w_i a_vi <t_i, v_i> / sum_i w_i a_vi

All videos with the same set of experts S have the same denominator, so s(t, v) is the inner product of the concatenated
embeddings [v_i, i in S] and of the query [w_i t_i, i in S] / sum_{i in S} w_i. A *pattern* is S as a string of 0 and 1, one
for each embedding. The best videos of each pattern, merged, are the best of all, exactly. Videos without any expert score 0.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from model.similarity import TextEmbedding, VideoEmbedding, as_denominator


def to_pattern(available: Sequence[float]) -> str:
    """Return the pattern of a video from the availability (M,) of its experts."""
    return "".join("1" if x else "0" for x in available)


def is_empty(pattern: str) -> bool:
    """Return whether a pattern is that of the videos without any expert."""
    return "1" not in pattern


def embedding_indices(pattern: str) -> list[int]:
    """Return the indices of the embeddings in a pattern."""
    return [i for i, bit in enumerate(pattern) if bit == "1"]


def vector_dim(pattern: str, dims: Sequence[int]) -> int:
    """Return the dimension of the vectors of a pattern."""
    return sum(dims[i] for i in embedding_indices(pattern))


def as_query(video: VideoEmbedding) -> TextEmbedding:
    """Return videos as queries, with weight 1 for each of their experts.

    The score of two videos is the mean of <u_i, v_i> over the experts that both have (with `l2renorm`, the cosine of their
    concatenated embeddings).
    """
    return TextEmbedding(video.experts, video.available)


def video_vectors(video: VideoEmbedding, pattern: str, l2renorm: bool) -> np.ndarray:
    """Return the vectors (N, dim) of N videos, all of `pattern`; with `l2renorm` their length is 1 (or 0)."""
    joined = torch.cat([video.experts[i] for i in embedding_indices(pattern)], dim=1)
    if l2renorm:
        joined = joined / as_denominator(joined.norm(dim=1, keepdim=True))
    return joined.numpy()


def query_vectors(text: TextEmbedding, pattern: str, l2renorm: bool) -> np.ndarray:
    """Return the vectors (T, dim) of T queries for the index of `pattern`.

    They are divided by the sum of the query's weights over the pattern, or with `l2renorm` by their length.
    """
    indices = embedding_indices(pattern)
    weights = text.weights[:, indices].double()  # those of a pattern may all be tiny
    joined = torch.cat([text.experts[i] * w[:, None] for i, w in zip(indices, weights.T, strict=True)], dim=1)
    scale = joined.norm(dim=1, keepdim=True) if l2renorm else weights.sum(dim=1, keepdim=True)
    return (joined / as_denominator(scale)).float().numpy()


def queries_to_rows(text: TextEmbedding) -> np.ndarray:
    """Return T queries as a float32 matrix (T, M' + sum of the dims) of their weights and embeddings."""
    return torch.cat([text.weights, *text.experts], dim=1).numpy()


def queries_from_rows(rows: np.ndarray, dims: Sequence[int]) -> TextEmbedding:
    """Return the queries in a matrix of `queries_to_rows`."""
    weights, *experts = torch.from_numpy(rows).split([len(dims), *dims], dim=1)
    return TextEmbedding(experts, weights)


def search_with_ties(
    search: Callable[[int], tuple[np.ndarray, np.ndarray]], k: int, num_videos: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and numbers of the best k videos and of all that score as high as the k-th.

    Args:
        search: returns scores (T, limit) and numbers (T, limit) of the best `limit` videos.
        num_videos: number of videos.
    """
    limit = min(k, num_videos)
    while True:
        limit = min(2 * limit + 1, num_videos)
        scores, numbers = search(limit)
        if limit == num_videos or (scores[:, k - 1] > scores[:, -1]).all():
            return scores, numbers


def merge_candidates(candidates: Sequence[tuple[np.ndarray, np.ndarray]], k: int) -> list[list[tuple[int, float]]]:
    """Return the best k candidates for each of T queries, as pairs of a video's number and its score.

    Equal scores are in the order of the numbers.

    Args:
        candidates: of each pattern the scores (T, n) and numbers (T, n); number -1 stands for no video.
    """
    scores = np.concatenate([scores for scores, _ in candidates], axis=1)
    numbers = np.concatenate([numbers for _, numbers in candidates], axis=1)
    best = []
    for query_scores, query_numbers in zip(scores, numbers, strict=True):
        valid = np.flatnonzero(query_numbers >= 0)
        order = valid[np.lexsort((query_numbers[valid], -query_scores[valid]))][:k]
        best.append([(int(query_numbers[i]), float(query_scores[i])) for i in order])
    return best
