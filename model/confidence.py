"""Confidence intervals of metrics by the bootstrap over videos.

The videos are drawn anew with replacement, each with all queries that belong to it, as captions of one video are not
independent; an interval has the percentiles of the metric over the draws (Efron, 1979). It tells how much the metrics of
this one model depend on the videos of the split; other seeds of the training vary besides.

Shapes: N queries of V videos. All functions take

    owners       the number of the video of each query, (N,), from 0
    level        percentage of draws in an interval
    resamples    number of draws, the same ones each time
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import sparse

from model.metric import RECALL_LEVELS

RESAMPLES = 2000
CHUNK = 1 << 21  # numbers in an array

Interval = tuple[float, float]


def rank_intervals(ranks: np.ndarray, owners: np.ndarray, level: float, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Return the interval of each metric of `model.metric.summarize` of 0-based `ranks` (N,)."""
    values, which = np.unique(ranks, return_inverse=True)
    shape = (int(owners.max()) + 1, len(values))
    counts = sparse.csr_array((np.ones(len(ranks)), (owners, which)), shape=shape)  # of each rank by video
    drawn = [_weighted_metrics(values, weights @ counts) for weights in _draws(*shape, resamples)]
    return _percentiles({name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]}, level)


def mean_intervals(
    values: Mapping[str, np.ndarray], owners: np.ndarray, level: float, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Return the interval of the mean of each of some values (N,) by name; NaN in any leaves the query out."""
    matrix = np.stack(list(values.values()), axis=1)  # (N, M)
    valid = ~np.isnan(matrix).any(axis=1)
    _, owners = np.unique(owners[valid], return_inverse=True)
    sums = np.zeros((int(owners.max()) + 1, 1 + len(values)))
    np.add.at(sums, owners, np.hstack([np.ones((len(owners), 1)), matrix[valid]]))
    totals = np.concatenate([weights @ sums for weights in _draws(*sums.shape, resamples)])
    return _percentiles(dict(zip(values, (totals[:, 1:] / totals[:, :1]).T, strict=True)), level)


def _draws(num_videos: int, num_columns: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield how often each video is drawn, (n, V), `resamples` rows in all."""
    rng = np.random.default_rng(0)
    size = max(1, CHUNK // max(num_videos, num_columns))
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(num_videos, size=(rows, num_videos)) + num_videos * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * num_videos).reshape(rows, num_videos).astype(np.float64)


def _weighted_metrics(values: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of `model.metric.summarize` of each row of `counts` (n, U) of U sorted values."""
    cumulative = np.cumsum(counts, axis=1)
    total = cumulative[:, -1]
    recall = {f"R{k}": 100 * counts[:, values <= 0 if k == 1 else values < k].sum(axis=1) / total for k in RECALL_LEVELS}

    def order_statistic(index: np.ndarray) -> np.ndarray:
        return values[(cumulative > index[:, None]).argmax(axis=1)]

    median = (order_statistic((total - 1) // 2) + order_statistic(total // 2)) / 2
    return {
        **recall,
        "MedR": median + 1,
        "MeanR": counts @ values / total + 1,
        "geometric_mean_R1-R5-R10": np.cbrt(recall["R1"] * recall["R5"] * recall["R10"]),
    }


def _percentiles(drawn: Mapping[str, np.ndarray], level: float) -> dict[str, Interval]:
    ends = (50 - level / 2, 50 + level / 2)
    return {name: tuple(np.percentile(values, ends).tolist()) for name, values in drawn.items()}
