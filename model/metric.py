"""Retrieval metrics in both directions, as published for MSR-VTT and similar datasets.

A rank is the 0-based position of the ground truth among the candidates in order of falling similarity. Where candidates are
tied, it is the expected position if ties are ordered at random, so a tie with a wrong candidate for first is not a hit at 1.
From the ranks of all queries:

- R1: percentage of ranks equal to 0. R5, R10, R50: percentage of ranks below 5, 10, 50.
- MedR, MeanR: median and mean rank, 1-based.
- geometric_mean_R1-R5-R10: cube root of the product.

The `metrics` of a config are names of functions `..._metrics` here or in any other module of `model/`, which take `sims` and
`query_masks` and return values by name. An evaluation passes the two functions here their ranks too, which it has computed
for other uses.

Shapes: V videos with K captions each, Q queries, R rows of a block of similarities. All functions take

    sims           similarities (V*K, V), the K captions of a video contiguous; never modified, and read by blocks of rows
    query_masks    (V, K), false for captions that do not exist, which are neither queries nor candidates (None: all exist)

and raise an `InputError` for a shape that does not fit, NaN or inf (naming the row), or no caption at all for a video.
"""

from collections.abc import Iterator

import numpy as np

from utils.errors import InputError

RECALL_LEVELS = (1, 5, 10, 50)
BLOCK_BYTES = 1 << 19  # of similarities that are compared at a time, so that they stay in the cache


class NotFiniteError(InputError):
    """An error for similarities that hold NaN or inf, first in `row`."""

    def __init__(self, row: int):
        super().__init__(f"metrics: similarities hold NaN or inf, first in row {row}")
        self.row = row


def t2v_metrics(
    sims: np.ndarray, query_masks: np.ndarray | None = None, ranks: np.ndarray | None = None
) -> dict[str, float]:
    """Return the metrics of text-to-video retrieval; `ranks` is what `t2v_ranks` returns, if known."""
    return summarize(t2v_ranks(sims, query_masks) if ranks is None else ranks)


def v2t_metrics(
    sims: np.ndarray, query_masks: np.ndarray | None = None, ties: str = "expected", ranks: np.ndarray | None = None
) -> dict[str, float]:
    """Return the metrics of video-to-text retrieval; `ranks` is what `v2t_ranks` returns for `ties`, if known."""
    return summarize(v2t_ranks(sims, query_masks, ties) if ranks is None else ranks)


def t2v_ranks(sims: np.ndarray, query_masks: np.ndarray | None = None) -> np.ndarray:
    """Return the rank of the ground-truth video for each caption that exists, in the order of the rows."""
    exists = _existing_captions(sims, query_masks)
    ranks = np.empty(len(exists))
    for rows, block in finite_blocks(sims):
        truth = ground_truth_scores(block, rows, len(exists))[:, None]  # (R, 1)
        higher = (block > truth).sum(axis=1, dtype=np.int32)
        tied = (block == truth).sum(axis=1, dtype=np.int32)  # the ground truth included
        ranks[rows] = higher + (tied - 1) / 2
    return ranks[exists]


def v2t_ranks(sims: np.ndarray, query_masks: np.ndarray | None = None, ties: str = "expected") -> np.ndarray:
    """Return the rank (V,) of the best-ranked caption of each video.

    `ties` is the rule for captions that are tied with the best caption of the video. "expected" gives the expected position
    of the first of the video's own captions: `higher + tied_others / (tied_own + 1)`. "published" is the rule of both public
    versions of the original, in which own captions push each other back: `higher + (tied - 1) / 2` with
    `tied = tied_own + tied_others`. The rules agree where no own captions are tied.
    """
    exists = _existing_captions(sims, query_masks)
    num_videos = sims.shape[1]
    truth = np.empty(len(exists), dtype=sims.dtype)
    for rows, block in finite_blocks(sims):
        truth[rows] = ground_truth_scores(block, rows, len(exists))
    truth = np.where(exists, truth, -np.inf).astype(sims.dtype).reshape(num_videos, -1)  # (V, K)
    best = truth.max(axis=1)  # (V,)
    tied_own = np.count_nonzero(truth == best[:, None], axis=1)
    higher, tied = np.zeros((2, num_videos), dtype=np.int64)  # numbers of captions, own ones included
    for rows, block in finite_blocks(sims):
        candidate = exists[rows, None]  # (R, 1)
        higher += ((block > best) & candidate).sum(axis=0, dtype=np.int32)
        tied += ((block == best) & candidate).sum(axis=0, dtype=np.int32)
    if ties == "published":
        return higher + (tied - 1) / 2
    return higher + (tied - tied_own) / (tied_own + 1)


def summarize(ranks: np.ndarray) -> dict[str, float]:
    """Return the metrics of 0-based `ranks` (Q,)."""
    recall = {f"R{k}": 100 * float(np.mean(ranks <= 0 if k == 1 else ranks < k)) for k in RECALL_LEVELS}
    return {
        **recall,
        "MedR": float(np.median(ranks)) + 1,
        "MeanR": float(np.mean(ranks)) + 1,
        "geometric_mean_R1-R5-R10": float(np.cbrt(recall["R1"] * recall["R5"] * recall["R10"])),
    }


def ground_truth_scores(block: np.ndarray, rows: np.ndarray, num_rows: int) -> np.ndarray:
    """Return the score of each caption in `block` with its own video; `rows` are their indices among `num_rows`."""
    num_captions = num_rows // block.shape[1]
    return block[np.arange(len(rows)), rows // num_captions]


def finite_blocks(sims: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the row indices (R,) and the rows (R, V) of each block, after a check for NaN and inf."""
    num_rows = max(1, BLOCK_BYTES // (sims.dtype.itemsize * sims.shape[1]))
    for start in range(0, len(sims), num_rows):
        block = sims[start : start + num_rows]
        if not np.isfinite([block.min(), block.max()]).all():  # both are NaN if a score is
            raise NotFiniteError(start + int(np.argmin(np.isfinite(block).all(axis=1))))
        yield np.arange(start, start + len(block)), block


def _existing_captions(sims: np.ndarray, query_masks: np.ndarray | None) -> np.ndarray:
    """Check the shapes, and return a mask (V*K,) of the rows of captions that exist."""
    if len(sims.shape) != 2 or 0 in sims.shape or sims.shape[0] % sims.shape[1]:
        raise InputError(f"metrics: similarities of shape {sims.shape}, expected (V*K, V)")
    num_rows, num_videos = sims.shape
    if query_masks is None:
        return np.ones(num_rows, dtype=bool)
    masks = np.asarray(query_masks).astype(bool)
    if masks.shape != (num_videos, num_rows // num_videos):
        raise InputError(f"metrics: query masks of shape {masks.shape}, expected {(num_videos, num_rows // num_videos)}")
    if not masks.any(axis=1).all():
        raise InputError(f"metrics: video in column {int(np.argmin(masks.any(axis=1)))} has no caption, all are masked")
    return masks.reshape(-1)
