"""Retrieval metrics in both directions, as published for MSR-VTT and its kin.

A rank is the 0-based position of the ground truth among the candidates in order of falling similarity. Where candidates are
tied, it is the expected position if ties are ordered at random, so a tie with a wrong candidate for first is not a hit at 1.
From the ranks of all queries:

- R1: percentage of ranks equal to 0. R5, R10, R50: percentage of ranks below 5, 10, 50.
- MedR, MeanR: median and mean rank, 1-based.
- geometric_mean_R1-R5-R10: cube root of the product.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from utils.errors import InputError

RECALL_LEVELS = (1, 5, 10, 50)
# Of the similarities that are looked at together: what a core's cache can hold, and no more rows than bytes can count twos.
BLOCK_BYTES = 3 << 19
MOST_ROWS = 127
GROUP = 8 * MOST_ROWS


class NotFiniteError(InputError):
    """Similarities that hold NaN or inf, first in `row`."""

    def __init__(self, row: int):
        super().__init__(f"metrics: similarities hold NaN or inf, first in row {row}")
        self.row = row


def t2v_metrics(sims: np.ndarray, query_masks: np.ndarray | None = None) -> dict[str, float]:
    """Metrics of text-to-video retrieval.

    Args:
        sims: (K*V, V), the K captions of a video contiguous; never modified, and read by blocks of rows.
        query_masks: (V, K), 0 for the missing captions of a video with fewer than K (None: all are there). They are no
            queries.

    Raises:
        InputError: a shape that does not fit, NaN or inf (naming the row), or no caption at all for a video.
    """
    return summarize(t2v_ranks(sims, query_masks))


def v2t_metrics(sims: np.ndarray, query_masks: np.ndarray | None = None, ties: str = "expected") -> dict[str, float]:
    """Return the metrics of video-to-text retrieval, where the rank of a video is that of its best-ranked caption.

    Args, Raises: as `v2t_ranks`.
    """
    return summarize(v2t_ranks(sims, query_masks, ties))


def t2v_ranks(sims: np.ndarray, query_masks: np.ndarray | None = None) -> np.ndarray:
    """The rank of each caption that exists, in the order of the rows; arguments and errors as in `t2v_metrics`."""
    valid = _valid_rows(sims, query_masks)
    twice = np.empty(len(valid), dtype=np.int64)  # see `_not_below`

    def count(rows: np.ndarray, block: np.ndarray, flags: np.ndarray) -> None:
        twice[rows] = _row_sums(_not_below(block, _own(rows, block, len(valid))[:, None], flags))

    _each_block(sims, count)
    return (twice[valid] - 1) / 2


def v2t_ranks(sims: np.ndarray, query_masks: np.ndarray | None = None, ties: str = "expected") -> np.ndarray:
    """Return the rank (V,) of the best caption of each video; missing captions are not candidates.

    Args:
        sims, query_masks: as in `t2v_metrics`.
        ties: the rule for captions that are tied with the best caption of the video. "expected" gives the expected position
            of the first of the video's own captions: `higher + tied_others / (tied_own + 1)`. "published" is the rule of
            both public versions of the original, in which own captions push each other back: `higher + (tied - 1) / 2`
            with `tied = tied_own + tied_others`. The rules agree where no own captions are tied.

    Raises:
        InputError: as in `t2v_metrics`.
    """
    valid = _valid_rows(sims, query_masks)
    num_videos = sims.shape[1]
    own = np.empty(len(valid))  # float64 holds every score exactly
    higher, not_lower = np.zeros((2, num_videos), dtype=np.int64)  # numbers of captions, own ones included
    adding = threading.Lock()

    def keep_own(rows: np.ndarray, block: np.ndarray, _flags: np.ndarray) -> None:
        own[rows] = _own(rows, block, len(valid))

    _each_block(sims, keep_own, check=False)
    own[~valid] = -np.inf
    best = own.reshape(num_videos, -1).max(axis=1)  # (V,)
    tied_own = np.count_nonzero(own.reshape(num_videos, -1) == best[:, None], axis=1)
    best = best.astype(sims.dtype)

    def count(rows: np.ndarray, block: np.ndarray, flags: np.ndarray) -> None:
        above, not_below = flags[:, : len(rows), :num_videos]
        np.greater(block, best, out=above)
        np.greater_equal(block, best, out=not_below)
        for flag, total in ((above, higher), (not_below, not_lower)):
            flag[~valid[rows]] = False
            counts = flag.view(np.uint8).sum(axis=0, dtype=np.uint8)  # of at most `MOST_ROWS` rows
            with adding:
                np.add(total, counts, out=total)

    _each_block(sims, count)
    if ties == "published":
        return higher + (not_lower - higher - 1) / 2
    return higher + (not_lower - higher - tied_own) / (tied_own + 1)


def _own(rows: np.ndarray, block: np.ndarray, num_rows: int) -> np.ndarray:
    """The score of each row of a block with the video that it belongs to; `rows` are its numbers among `num_rows`."""
    return block[np.arange(len(rows)), rows // (num_rows // block.shape[1])]


def _not_below(block: np.ndarray, match: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """How often each score of `block` (R, N) outranks `match`, broadcast to its shape: 2, 1 if they are tied, or 0.

    Where the match is itself a candidate, the mean position that it shares with those tied is half of the sum less one.

    Args:
        flags: (2, R or more, N or more), where to work; false beyond N.

    Returns:
        (R, as wide as `flags`) bytes, those beyond N zero.
    """
    num_rows, num_columns = block.shape
    np.greater(block, match, out=flags[0, :num_rows, :num_columns])
    np.greater_equal(block, match, out=flags[1, :num_rows, :num_columns])
    higher, not_lower = flags[:, :num_rows].view(np.uint8)
    return np.add(higher, not_lower, out=higher)


def _row_sums(numbers: np.ndarray) -> np.ndarray:
    """The sum of each row of `numbers` (R, a multiple of `GROUP`), bytes up to 2: eight to a word are added at a time."""
    words = numbers.view(np.uint64).reshape(len(numbers), -1, GROUP // 8)
    return words.sum(axis=2).view(np.uint8).sum(axis=1, dtype=np.int64)


def _each_block(sims: np.ndarray, work: Callable[[np.ndarray, np.ndarray, np.ndarray], None], check: bool = True) -> None:
    """Call `work` for blocks of rows, small enough for a core's cache, on as many threads as torch uses.

    Args:
        work: is given the numbers of the rows, the rows, and the flags for `_not_below`.
        check: whether to refuse NaN and inf.
    """
    rows_a_block = min(MOST_ROWS, max(1, BLOCK_BYTES // (sims.dtype.itemsize * sims.shape[1])))
    bad = []

    def part(starts: range) -> None:
        flags = np.zeros((2, rows_a_block, -(-sims.shape[1] // GROUP) * GROUP), dtype=bool)
        for start in starts:
            block = sims[start : start + rows_a_block]
            if check and not np.isfinite([block.min(), block.max()]).all():  # both are NaN where a score is
                bad.append(start + int(np.argmin(np.isfinite(block).all(axis=1))))
                return
            work(np.arange(start, start + len(block)), block, flags)

    starts = range(0, len(sims), rows_a_block)
    share = -(-len(starts) // torch.get_num_threads())
    parts = [starts[i : i + share] for i in range(0, len(starts), share)]
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(part, parts))
    if bad:
        raise NotFiniteError(min(bad))


def summarize(ranks: np.ndarray) -> dict[str, float]:
    """Return the metrics of 0-based `ranks` (Q,)."""
    recall = {f"R{k}": 100 * float(np.mean(ranks <= 0 if k == 1 else ranks < k)) for k in RECALL_LEVELS}
    return {
        **recall,
        "MedR": float(np.median(ranks)) + 1,
        "MeanR": float(np.mean(ranks)) + 1,
        "geometric_mean_R1-R5-R10": float(np.cbrt(recall["R1"] * recall["R5"] * recall["R10"])),
    }


def _valid_rows(sims: np.ndarray, query_masks: np.ndarray | None) -> np.ndarray:
    """Which rows (K*V,) are of captions that exist."""
    if len(sims.shape) != 2 or 0 in sims.shape or sims.shape[0] % sims.shape[1]:
        raise InputError(f"metrics: similarities of shape {sims.shape}, expected (K*V, V)")
    num_rows, num_videos = sims.shape
    if query_masks is None:
        return np.ones(num_rows, dtype=bool)
    masks = np.asarray(query_masks).astype(bool)
    if masks.shape != (num_videos, num_rows // num_videos):
        raise InputError(f"metrics: query masks of shape {masks.shape}, expected {(num_videos, num_rows // num_videos)}")
    if not masks.any(axis=1).all():
        raise InputError(f"metrics: video in column {int(np.argmin(masks.any(axis=1)))} has no caption, all are masked")
    return masks.reshape(-1)
