"""Retrieval metrics in both directions, as published for MSR-VTT and its kin.

A rank is the 0-based position of the ground truth among the candidates in order of falling similarity; tied candidates
share the mean of the positions they fill, so a tie for first is not a hit at 1. From the ranks of all queries:

- R1: percentage of ranks equal to 0. R5, R10, R50: percentage of ranks below 5, 10, 50.
- MedR, MeanR: median and mean rank, 1-based.
- geometric_mean_R1-R5-R10: cube root of the product.
"""

import numpy as np

from utils.errors import InputError

RECALL_LEVELS = (1, 5, 10, 50)


def t2v_metrics(sims: np.ndarray, query_masks: np.ndarray | None = None) -> dict[str, float]:
    """Metrics of text-to-video retrieval.

    Args:
        sims: (K*V, V), the K captions of a video contiguous; never modified.
        query_masks: (V, K), 0 for the missing captions of a video with fewer than K (None: all are there). They are no
            queries.

    Raises:
        InputError: a shape that does not fit, NaN or inf (naming the row), or no caption at all for a video.
    """
    return _summary(t2v_ranks(sims, query_masks))


def v2t_metrics(sims: np.ndarray, query_masks: np.ndarray | None = None) -> dict[str, float]:
    """Metrics of video-to-text retrieval: a video's rank is that of the best-ranked of its captions.

    Args, Raises: as `t2v_metrics`. Missing captions are no candidates.
    """
    return _summary(v2t_ranks(sims, query_masks))


def t2v_ranks(sims: np.ndarray, query_masks: np.ndarray | None = None) -> np.ndarray:
    """The rank of each caption that exists, in the order of the rows; arguments and errors as in `t2v_metrics`."""
    sims, valid = _validated(sims, query_masks)
    num_videos = sims.shape[1]
    queries = np.flatnonzero(valid)
    match = sims[queries, queries // (sims.shape[0] // num_videos)]
    return _tied_ranks(sims[queries] if len(queries) < len(sims) else sims, match)


def v2t_ranks(sims: np.ndarray, query_masks: np.ndarray | None = None) -> np.ndarray:
    """The rank (V,) of each video's best caption; arguments and errors as in `v2t_metrics`."""
    sims, valid = _validated(sims, query_masks)
    num_videos = sims.shape[1]
    own = sims.reshape(num_videos, -1, num_videos)[np.arange(num_videos), :, np.arange(num_videos)]  # (V, K)
    best = np.where(valid.reshape(num_videos, -1), own, -np.inf).max(axis=1)
    candidates = sims if valid.all() else sims[valid]
    return _tied_ranks(candidates.T, best)


def _tied_ranks(scores: np.ndarray, match: np.ndarray) -> np.ndarray:
    """Mean position of `match` (Q,), itself a score of its row, in each row of `scores` (Q, N), highest first."""
    higher = (scores > match[:, None]).sum(axis=1)
    tied = (scores == match[:, None]).sum(axis=1)
    return higher + (tied - 1) / 2


def _summary(ranks: np.ndarray) -> dict[str, float]:
    """The metrics of `ranks` (Q,)."""
    recall = {f"R{k}": 100 * float(np.mean(ranks <= 0 if k == 1 else ranks < k)) for k in RECALL_LEVELS}
    return {
        **recall,
        "MedR": float(np.median(ranks)) + 1,
        "MeanR": float(np.mean(ranks)) + 1,
        "geometric_mean_R1-R5-R10": float(np.cbrt(recall["R1"] * recall["R5"] * recall["R10"])),
    }


def _validated(sims: np.ndarray, query_masks: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """`sims` as an array and the valid rows (K*V,) as booleans."""
    sims = np.asarray(sims)
    if sims.ndim != 2 or 0 in sims.shape or sims.shape[0] % sims.shape[1]:
        raise InputError(f"metrics: similarities of shape {sims.shape}, expected (K*V, V)")
    finite = np.isfinite(sims).all(axis=1)
    if not finite.all():
        raise InputError(f"metrics: similarities hold NaN or inf, first in row {int(np.argmin(finite))}")
    num_videos = sims.shape[1]
    if query_masks is None:
        return sims, np.ones(len(sims), dtype=bool)
    masks = np.asarray(query_masks).astype(bool)
    if masks.shape != (num_videos, len(sims) // num_videos):
        raise InputError(f"metrics: query masks of shape {masks.shape}, expected {(num_videos, len(sims) // num_videos)}")
    if not masks.any(axis=1).all():
        raise InputError(f"metrics: video in column {int(np.argmin(masks.any(axis=1)))} has no caption, all are masked")
    return sims, masks.reshape(-1)
