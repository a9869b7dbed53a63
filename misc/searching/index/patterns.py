"""The score of `model.similarity.pairwise_similarity` as an inner product, with one index per set of available experts.

    s(t, v) = sum_i w_i a_i(v) <t_i, v_i> / sum_i w_i a_i(v)

All videos with the same set of experts S have the same denominator, so s(t, v) is the inner product of the concatenated
embeddings [v_i, i in S] and of the query [w_i t_i, i in S] / sum_{i in S} w_i. A *pattern* is S as a string of 0 and 1, one
for each embedding. The best videos of all patterns, merged, are exactly the best videos. Videos without any expert score 0.

A query is a `TextEmbedding`. Because of the division, its weights need not sum to 1, and a video can be a query: `as_query`.
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
    """Return the query for each video: its embeddings in place of those of a text, with weight 1 if available, otherwise 0.

    The score of two videos is the mean of <u_i, v_i> over the experts that both have (with `l2renorm`, the cosine of their
    concatenated embeddings).
    """
    return TextEmbedding(video.experts, video.available)


def video_vectors(video: VideoEmbedding, pattern: str, l2renorm: bool) -> np.ndarray:
    """Return the vectors (N, dim) of N videos of one pattern; with `l2renorm` their length is 1 (or 0)."""
    joined = torch.cat([video.experts[i] for i in embedding_indices(pattern)], dim=1)
    if l2renorm:
        joined = joined / as_denominator(joined.norm(dim=1, keepdim=True))
    return joined.numpy()


def query_vectors(text: TextEmbedding, pattern: str, l2renorm: bool) -> np.ndarray:
    """Return the vectors (T, dim) of T queries for the index of `pattern`.

    They are divided by the sum of the query's weights over the pattern, or with `l2renorm` by their length.
    """
    indices = embedding_indices(pattern)
    weights = text.weights[:, indices].double()  # all weights of a pattern may be tiny
    joined = torch.cat([text.experts[i] * w[:, None] for i, w in zip(indices, weights.T, strict=True)], dim=1)
    scale = joined.norm(dim=1, keepdim=True) if l2renorm else weights.sum(dim=1, keepdim=True)
    return (joined / as_denominator(scale)).float().numpy()


def to_rows(embedding: TextEmbedding | VideoEmbedding) -> np.ndarray:
    """Return N texts or videos as stored: rows (N, M' + sum of d_i) with weights or availability, then embeddings."""
    return torch.cat([embedding[1], *embedding[0]], dim=1).numpy()


def from_rows(rows: np.ndarray, dims: Sequence[int], name: str) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the fields of what `to_rows` has stored; raise a ValueError that names invalid rows."""
    columns = len(dims) + sum(dims)
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"found {rows.dtype} of shape {rows.shape}, expected float32 of ({name}, {columns})")
    first, *experts = torch.from_numpy(rows).split([len(dims), *dims], dim=1)
    return experts, first


def append_column(vectors: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    """Return vectors (N, dim + 1) with one more number each, for the correction by a query bank."""
    return np.column_stack([vectors, np.full(len(vectors), values, np.float32)])


def search_with_ties(
    search: Callable[[int], tuple[np.ndarray, np.ndarray]], k: int, num_videos: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and numbers (T, n) of the best k videos and of all other videos with the score of the k-th.

    `search` returns scores (T, limit) and numbers (T, limit) of the best `limit` videos, of which there are `num_videos`.
    """
    limit = min(k, num_videos)
    while True:
        limit = min(2 * limit + 1, num_videos)
        scores, numbers = search(limit)
        if limit == num_videos or (scores[:, k - 1] > scores[:, -1]).all():
            return scores, numbers


def merge_candidates(candidates: Sequence[tuple[np.ndarray, np.ndarray]], k: int) -> list[list[tuple[int, float]]]:
    """Return numbers and scores of the best k candidates for each of T queries, equal scores in the order of the numbers.

    A candidate is the scores (T, n) and numbers (T, n) of a pattern; number -1 means no video.
    """
    scores, numbers = (np.concatenate(x, axis=1) for x in zip(*candidates, strict=True))
    best = []
    for query_scores, query_numbers in zip(scores, numbers, strict=True):
        valid = np.flatnonzero(query_numbers >= 0)
        order = valid[np.lexsort((query_numbers[valid], -query_scores[valid]))][:k]
        best.append([(int(query_numbers[i]), float(query_scores[i])) for i in order])
    return best
