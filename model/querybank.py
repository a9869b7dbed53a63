"""Query-bank normalization, which lowers the scores of items that are near to most queries, and a measure of such hubs.

A bank holds queries of the training data: captions for t2v, where items are videos, and videos for v2t, where items are
captions. With s the similarity, q a query, g an item and b a query of the bank, the methods are

    inverted_softmax    exp(beta s(q, g)) / mean over b of exp(beta s(b, g))
    dynamic             the same, but only for a query whose best item is the best of some query of the bank; other queries
                        keep their scores (dynamic inverted softmax of QB-Norm, Bogolin et al., CVPR 2022)
    csls                2 s(q, g) - r(q) - r(g), where r is the mean of the highest similarities to the bank

Only the order of the items of a query counts, so each method is one number per item that is subtracted from its scores:
(1 / beta) log mean exp(beta s(b, g)), which cannot overflow, or r(g) / 2. Scores of different queries cannot be compared any
more, so that each direction has its own normalized matrix.

Ties are independent of the order of items: an item that is tied for the first position is a best item too.

Shapes: R captions in rows, C videos in columns, as in `model.metric`. A matrix of the bank has the bank's captions in its
rows for t2v, and the bank's videos in its columns for v2t. All functions take

    sims      similarities (R, C), never modified, and read by blocks of rows
    task      "t2v" or "v2t"
    exists    (R,), false for captions that do not exist (None: all exist)

and raise an `InputError` for NaN and inf, for a matrix without scores and for a bank of other items.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from model.metric import finite_blocks
from utils.errors import InputError

METHODS = ("dynamic", "inverted_softmax", "csls")
PUBLISHED_BETA = 20.0
CSLS_NEIGHBORS = 10
HUB_RANKS = 10
# The axis of the queries; that of the items is the other one.
QUERY_AXIS = {"t2v": 0, "v2t": 1}


class Correction(NamedTuple):
    """What a bank implies for G items, in the order of the matrix without captions that do not exist.

    Attributes:
        offsets: what is subtracted from the scores of each item, (G,).
        hubs: (G,), true for items that change the scores of the queries whose best item they are.
    """

    offsets: np.ndarray
    hubs: np.ndarray


def fit_bank(
    sims: np.ndarray, task: str, exists: np.ndarray | None = None, method: str = "dynamic", beta: float = PUBLISHED_BETA
) -> Correction:
    """Return the correction of the items whose similarities to a bank are `sims`."""
    axis, exists = QUERY_AXIS[task], _existing_rows(sims, exists)
    if method not in METHODS:
        raise InputError(f"query bank: no method '{method}', expected one of {', '.join(METHODS)}")
    if method == "csls":
        nearest = _highest(sims, exists, CSLS_NEIGHBORS, axis)
        offsets = nearest.mean(axis=axis, dtype=np.float64) / 2
    else:
        highest = _maxima(sims, exists, axis)  # (G,), subtracted so that no power is above 1
        powers = (
            np.exp(beta * (block.astype(np.float64) - _expand(highest, rows, axis))) for rows, block in _blocks(sims, exists)
        )
        bank_size = np.count_nonzero(exists) if axis == 0 else sims.shape[1]
        offsets = highest + np.log(_reduce(np.add, powers, axis) / bank_size) / beta
    if method != "dynamic":
        return Correction(offsets, np.ones(len(offsets), dtype=bool))
    best = _maxima(sims, exists, 1 - axis)  # of each query of the bank
    is_best = (block == _expand(best, rows, 1 - axis) for rows, block in _blocks(sims, exists))
    return Correction(offsets, _reduce(np.logical_or, is_best, axis))


def normalize(
    sims: np.ndarray,
    correction: Correction,
    task: str,
    exists: np.ndarray | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the normalized similarities (R, C), to be compared within a query only; `out` is where to write them.

    Rows of captions that do not exist are copied.
    """
    axis, exists = QUERY_AXIS[task], _existing_rows(sims, exists)
    num_items = sims.shape[1] if axis == 0 else np.count_nonzero(exists)
    if len(correction.offsets) != num_items:
        raise InputError(f"query bank: a correction of {len(correction.offsets)} items, expected {num_items}")
    best = _maxima(sims, exists, 1 - axis)  # of each query
    best_hubs = (
        (block == _expand(best, rows, 1 - axis)) & _expand(correction.hubs, rows, axis)
        for rows, block in _blocks(sims, exists)
    )
    corrected = _reduce(np.logical_or, best_hubs, 1 - axis)  # whether a query is
    out = np.empty(sims.shape, dtype=sims.dtype) if out is None else out
    for rows, block in finite_blocks(sims):
        out[rows] = block
    indices = np.flatnonzero(exists)
    for rows, block in _blocks(sims, exists):
        subtracted = np.where(_expand(corrected, rows, 1 - axis), _expand(correction.offsets, rows, axis), 0)
        out[indices[rows]] = block - subtracted
    return out


def hubness(sims: np.ndarray, task: str, exists: np.ndarray | None = None, k: int = HUB_RANKS) -> float:
    """Return the skewness of how often each item is among the first `k` of a query; 0 if all are so equally often.

    An item is among them if fewer than `k` items have a higher score, so that ties do not depend on the order of items.
    """
    axis, exists = QUERY_AXIS[task], _existing_rows(sims, exists)
    lowest = _highest(sims, exists, k, 1 - axis).min(axis=1 - axis)  # score at rank k of each query
    among_first = (block >= _expand(lowest, rows, 1 - axis) for rows, block in _blocks(sims, exists))
    counts = _reduce(np.add, among_first, axis)
    deviations = counts - counts.mean()
    variance = np.mean(deviations**2)
    return float(np.mean(deviations**3) / variance**1.5) if variance > 0 else 0.0


def _existing_rows(sims: np.ndarray, exists: np.ndarray | None) -> np.ndarray:
    """Check the shapes, and return the mask (R,) of the rows of captions that exist."""
    if len(sims.shape) != 2 or 0 in sims.shape:
        raise InputError(
            f"query bank: similarities of shape {sims.shape}, expected (captions, videos), at least one of each"
        )
    exists = np.ones(len(sims), dtype=bool) if exists is None else np.asarray(exists).astype(bool)
    if exists.shape != (len(sims),) or not exists.any():
        raise InputError(f"query bank: a mask of {int(exists.sum())} captions, shape {exists.shape}, for {len(sims)} rows")
    return exists


def _blocks(sims: np.ndarray, exists: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the existing rows in blocks, each after their numbers among the existing ones."""
    start = 0
    for rows, block in finite_blocks(sims):
        if len(existing := block[exists[rows]]):
            yield slice(start, start + len(existing)), existing
            start += len(existing)


def _reduce(function: np.ufunc, blocks: Iterable[np.ndarray], axis: int) -> np.ndarray:
    """Reduce a matrix, given in blocks of rows, over an axis."""
    parts = (function.reduce(block, axis=axis) for block in blocks)
    return np.concatenate(list(parts)) if axis == 1 else functools.reduce(function, parts)


def _expand(vector: np.ndarray, rows: slice, axis: int) -> np.ndarray:
    """Return what a reduction over `axis` has found, shaped to be compared with the block `rows`."""
    return vector if axis == 0 else vector[rows, None]


def _maxima(sims: np.ndarray, exists: np.ndarray, axis: int) -> np.ndarray:
    """Return the highest similarities over an axis."""
    return _reduce(np.maximum, (block for _, block in _blocks(sims, exists)), axis)


def _highest(sims: np.ndarray, exists: np.ndarray, k: int, axis: int) -> np.ndarray:
    """Return the `k` highest similarities over an axis, in any order, or all if there are fewer."""
    blocks = (block for _, block in _blocks(sims, exists))
    if axis == 1:
        k = min(k, sims.shape[1])
        return np.concatenate([np.partition(block, -k, axis=1)[:, -k:].copy() for block in blocks])  # views hold blocks
    highest = np.empty((0, sims.shape[1]), dtype=sims.dtype)
    for block in blocks:
        highest = np.concatenate([highest, block])
        if len(highest) > k:
            highest = np.partition(highest, -k, axis=0)[-k:]
    return highest
