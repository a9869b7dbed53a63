"""The similarity of texts and videos described by experts, some of which are missing in some videos.

Search computes the same score as inner products with stored vectors (`misc.searching.index.patterns`): a change here belongs
there too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class TextEmbedding(NamedTuple):
    """T queries: an embedding per expert, [(T, d_i)] * M', and weights of the experts, (T, M'), which are at least 0.

    M' is the number of experts M, or 1 in the Concat variants, which join them.

    Queries are captions, whose weights are the mixture weights, or videos in a search by video, with weights of 0 and 1.
    """

    experts: list[Tensor]
    weights: Tensor


class VideoEmbedding(NamedTuple):
    """V videos: an embedding per expert, [(V, d_i)] * M', and their availability (V, M'), 0 or 1."""

    experts: list[Tensor]
    available: Tensor


def pairwise_similarity(text: TextEmbedding, video: VideoEmbedding, l2renorm: bool = False) -> Tensor:
    """Compute s(t, v) = sum_i w_i(t) a_i(v) <text_i(t), video_i(v)> / sum_i w_i(t) a_i(v).

    A score depends only on its text and its video. A video without an expert scores 0 with every text. Numerator and
    denominator are matrix products: nothing of size T x V x M is built.

    Args:
        text, video: embeddings of T texts and V videos.
        l2renorm: divide by the lengths of the two concatenations over the video's experts (of w_i text_i and of video_i)
            instead of by the sum of the weights.

    Returns:
        The similarities (T, V).
    """
    weighted = _weighted_concatenation(text)  # (T, sum of d_i)
    masked = torch.cat([x * video.available[:, i : i + 1] for i, x in enumerate(video.experts)], dim=1)  # (V, sum of d_i)
    if l2renorm:
        scale = (_squared_lengths(text) @ video.available.T) * masked.square().sum(dim=1)  # (T, V), squared
    else:
        scale = text.weights @ video.available.T  # (T, V)
    scale = as_denominator(scale)
    return weighted @ masked.T / (scale.sqrt() if l2renorm else scale)


def paired_similarity_2019(
    text: TextEmbedding, video: VideoEmbedding, own_available: Tensor, l2renorm: bool = False
) -> Tensor:
    """Compute the leaky score of the 2019 release, kept for studying its checkpoints: never a fair result.

    The weights of a text are masked and renormalized by the availability of its own video, and missing experts of the other
    videos are not masked, so a caption carries a fingerprint of its own video.

    Args:
        text, video: embeddings of N * K texts, the K of a video contiguous, and of V videos.
        own_available: availability (N, M) of the N videos that the texts describe.
        l2renorm: divide by the lengths of the concatenations of w_i text_i and of video_i over all experts.

    Returns:
        The similarities (N * K, V).
    """
    num_captions = len(text.weights) // len(own_available)  # K
    weights = text.weights * own_available.repeat_interleave(num_captions, dim=0)  # (N * K, M)
    text = TextEmbedding(text.experts, weights / as_denominator(weights.sum(dim=1, keepdim=True)))
    joined = torch.cat(video.experts, dim=1)  # (V, sum of d_i)
    sims = _weighted_concatenation(text) @ joined.T
    if l2renorm:
        sims = sims / as_denominator(_squared_lengths(text).sum(dim=1, keepdim=True) * joined.square().sum(dim=1)).sqrt()
    return sims


def as_denominator(x: Tensor) -> Tensor:
    """Return `x` with 1 in place of 0, so that 0 / 0 becomes 0."""
    return torch.where(x > 0, x, 1)


def find_nonfinite_source(
    modalities: Sequence[str], text: TextEmbedding, video: VideoEmbedding, ids: Sequence[str] | None = None
) -> str:
    """Return what makes similarities NaN or inf, joined by commas: "the text", and experts, each with its first video.

    Without `ids` the videos are left out. If all embeddings are finite, it is "the similarities alone".
    """
    sources = [] if all(torch.isfinite(x).all() for x in (*text.experts, text.weights)) else ["the text"]
    names = modalities if len(modalities) == len(video.experts) else [", ".join(modalities)]  # the Concat variants join them
    for name, x, available in zip(names, video.experts, video.available.T, strict=True):
        bad = ~torch.isfinite(x).all(dim=1) & available.bool()
        if bad.any():
            sources.append(f"expert '{name}'" + (f" of '{ids[int(bad.nonzero()[0])]}'" if ids else ""))
    return ", ".join(sources) or "the similarities alone"


def _weighted_concatenation(text: TextEmbedding) -> Tensor:
    """Return [w_1 text_1 ; ... ; w_M text_M], (T, sum of d_i)."""
    return torch.cat([x * text.weights[:, i : i + 1] for i, x in enumerate(text.experts)], dim=1)


def _squared_lengths(text: TextEmbedding) -> Tensor:
    """Return |w_i text_i|^2 (T, M), the share of each expert in the squared length of the concatenation."""
    return torch.stack([x.square().sum(dim=1) for x in text.experts], dim=1) * text.weights.square()
