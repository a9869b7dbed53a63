"""The similarity of texts and videos described by experts, some of which are missing in some videos."""

from typing import NamedTuple

import torch
from torch import Tensor

SIMILARITIES = ("pairwise", "paired-2019")


class TextEmbedding(NamedTuple):
    """T texts: an embedding per expert, [(T, d_i)] * M, and the mixture weights (T, M), whose rows sum to 1."""

    experts: list[Tensor]
    weights: Tensor


class VideoEmbedding(NamedTuple):
    """V videos: an embedding per expert, [(V, d_i)] * M, and their availability (V, M), 1 = present."""

    experts: list[Tensor]
    available: Tensor


def pairwise_similarity(text: TextEmbedding, video: VideoEmbedding, l2renorm: bool = False) -> Tensor:
    """Compute s(t, v) = sum_i w_i(t) a[v, i] <text_i(t), video_i(v)> / sum_i w_i(t) a[v, i].

    A score depends only on its text and its video. A video without an expert scores 0 with every text. Numerator and
    denominator are matrix products: nothing of size T x V x M is built.

    Args:
        text: T texts.
        video: V videos.
        l2renorm: divide by the lengths of the two concatenations over the video's experts (of w_i text_i and of video_i)
            instead of by the sum of the weights.

    Returns:
        (T, V)
    """
    weighted = _weighted_concatenation(text)  # (T, sum of d_i)
    masked = torch.cat([x * video.available[:, i : i + 1] for i, x in enumerate(video.experts)], dim=1)  # (V, sum of d_i)
    if l2renorm:
        scale = (_squared_lengths(text) @ video.available.T) * masked.square().sum(dim=1)  # (T, V), squared
    else:
        scale = text.weights @ video.available.T  # (T, V)
    scale = as_denominator(scale)
    return weighted @ masked.T / (scale.sqrt() if l2renorm else scale)


def paired_similarity_2019(text: TextEmbedding, video: VideoEmbedding, described: Tensor, l2renorm: bool = False) -> Tensor:
    """Compute the leaky score of the 2019 release, kept for studying its checkpoints: never a fair result.

    The weights of a text are masked and renormalized by the availability of its own video, and missing experts of the other
    videos are not masked, so a caption carries a fingerprint of its own video.

    Args:
        text: N * K texts, the K of a video contiguous.
        video: V videos.
        described: (N, M), the availability of the N videos that the texts describe.
        l2renorm: as above.

    Returns:
        (N * K, V)
    """
    weights = text.weights * described.repeat_interleave(len(text.weights) // len(described), dim=0)  # (N * K, M)
    text = TextEmbedding(text.experts, weights / as_denominator(weights.sum(dim=1, keepdim=True)))
    joined = torch.cat(video.experts, dim=1)  # (V, sum of d_i)
    sims = _weighted_concatenation(text) @ joined.T
    if l2renorm:
        sims = sims / as_denominator(_squared_lengths(text).sum(dim=1, keepdim=True) * joined.square().sum(dim=1)).sqrt()
    return sims


def as_denominator(x: Tensor) -> Tensor:
    """Return `x` with 1 in place of 0: quotients whose numerator is 0, too, are 0."""
    return torch.where(x > 0, x, 1)


def _weighted_concatenation(text: TextEmbedding) -> Tensor:
    """Return [w_1 text_1 ; ... ; w_M text_M], (T, sum of d_i)."""
    return torch.cat([x * text.weights[:, i : i + 1] for i, x in enumerate(text.experts)], dim=1)


def _squared_lengths(text: TextEmbedding) -> Tensor:
    """Return |w_i text_i|^2, the share of each expert in the concatenation: (T, M)."""
    return torch.stack([x.square().sum(dim=1) for x in text.experts], dim=1) * text.weights.square()
