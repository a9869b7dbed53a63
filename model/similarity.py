"""The similarity of texts and videos described by experts, some of which are missing in some videos."""

from typing import NamedTuple

import torch
from torch import Tensor


class TextEmbedding(NamedTuple):
    """T texts: one embedding an expert, [(T, d_i)] * M, and the mixture-of-experts weights (T, M), rows summing to 1."""

    experts: list[Tensor]
    weights: Tensor


class VideoEmbedding(NamedTuple):
    """V videos: one embedding an expert, [(V, d_i)] * M, and their availability (V, M), 1 = present."""

    experts: list[Tensor]
    available: Tensor


def pairwise_similarity(
    text: TextEmbedding, video: VideoEmbedding, l2renorm: bool = False, owners: Tensor | None = None
) -> Tensor:
    """s(t, v) = sum_i w_i(t) a[v, i] <text_i(t), video_i(v)> / sum_i w_i(t) a[v, i].

    A score depends on its text and its video alone. A video without an expert scores 0 with every text. Numerator and
    denominator are matrix products: nothing of size T x V x M is built.

    Args:
        text: T texts.
        video: V videos.
        l2renorm: divide by the lengths of the two concatenations over the video's experts (of w_i text_i and of video_i)
            instead of by the sum of the weights.
        owners: makes no difference here, see `paired_similarity_2019`.

    Returns:
        (T, V)
    """
    weighted = _weighted_concatenation(text)  # (T, D)
    masked = torch.cat([x * video.available[:, i : i + 1] for i, x in enumerate(video.experts)], dim=1)  # (V, D)
    if l2renorm:
        scale = (_squared_lengths(text) @ video.available.T) * masked.square().sum(dim=1)  # (T, V), squared
    else:
        scale = text.weights @ video.available.T  # (T, V)
    scale = as_denominator(scale)
    return weighted @ masked.T / (scale.sqrt() if l2renorm else scale)


def paired_similarity_2019(
    text: TextEmbedding, video: VideoEmbedding, l2renorm: bool = False, owners: Tensor | None = None
) -> Tensor:
    """The leaky score of the 2019 release, kept for studying its checkpoints: never a fair result.

    The weights of a text are masked and renormalised by the availability of its own video, and missing experts of the other
    videos are not masked, so a caption carries a fingerprint of its own video.

    Args:
        text, video, l2renorm: as above.
        owners: (T,), the video that each text belongs to (None: text t to video t // (T / V)).

    Returns:
        (T, V)
    """
    if owners is None:
        num_texts, num_videos = len(text.weights), len(video.available)
        owners = torch.arange(num_texts, device=text.weights.device) // (num_texts // num_videos)
    paired = video.available[owners]  # (T, M)
    weights = text.weights * paired
    text = TextEmbedding(text.experts, weights / as_denominator(weights.sum(dim=1, keepdim=True)))
    joined = torch.cat(video.experts, dim=1)  # (V, D)
    sims = _weighted_concatenation(text) @ joined.T
    if l2renorm:
        sims = sims / as_denominator(_squared_lengths(text).sum(dim=1, keepdim=True) * joined.square().sum(dim=1)).sqrt()
    return sims


def as_denominator(x: Tensor) -> Tensor:
    """`x` as a denominator: 1 where it is 0, and so is what it divides."""
    return torch.where(x > 0, x, 1)


def _weighted_concatenation(text: TextEmbedding) -> Tensor:
    """[w_1 text_1 ; ... ; w_M text_M]: (T, sum of d_i)."""
    return torch.cat([x * text.weights[:, i : i + 1] for i, x in enumerate(text.experts)], dim=1)


def _squared_lengths(text: TextEmbedding) -> Tensor:
    """|w_i text_i|^2, each expert's share of the concatenation: (T, M)."""
    return torch.stack([x.square().sum(dim=1) for x in text.experts], dim=1) * text.weights.square()


SIMILARITIES = {"pairwise": pairwise_similarity, "paired-2019": paired_similarity_2019}
