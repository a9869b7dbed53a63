"""Tests of whether two configs differ, by the scores of their runs on the same queries.

A run is a random draw (its seed), and so are the videos of a split. The difference D of the mean scores of two configs
varies with both, so that there are two null hypotheses:

- *models*: these runs score the same on other videos like these. Tested by the randomization test over videos: the signs of
  the differences (means over the runs) of all queries of a video are flipped at random (Fisher; Smucker et al., 2007).
- *configs*: other seeds of both configs score the same, on other videos like these. With one run of each it cannot be
  tested: two seeds of one config differ by more than the noise of queries wherever some seeds are better on all videos. With
  more runs, the variance of D is estimated from its parts, as for subjects and items that are both random (Clark, 1973):

      V = V_videos + V_runs - V_both    (at least V_videos, and at least V_runs)

  V_videos is the variance of D over videos, V_runs that of the means of runs (pooled over both configs), and V_both their
  interaction, which both contain. D / sqrt(V) has a t distribution with V^2 / (V_videos^2 / (n - 1) + V_runs^2 / df) degrees
  of freedom (Satterthwaite). The p-value is at least that of the test of models.

Shapes: V videos. A sample (k, V) has the sums of the scores of all queries of each video, for each of k runs. `num_queries`
is their number over all videos.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.stats

from misc.reporting.tables import LEVEL

RANDOMIZATIONS = 10_000
CHUNK = 1 << 22  # signs that are drawn at a time


@dataclasses.dataclass(frozen=True)
class Difference:
    """The difference of two configs in a mean score, second minus first.

    Attributes:
        value: the difference.
        p_models: p-value of the test of models.
        p_configs: p-value of the test of configs (None: neither config has several runs).
        low, high: 95 % confidence interval of the difference of configs (None: as above).
    """

    value: float
    p_models: float
    p_configs: float | None = None
    low: float | None = None
    high: float | None = None


def compare(samples: Sequence[np.ndarray], num_queries: int, randomizations: int = RANDOMIZATIONS) -> Difference:
    """Test the difference of two samples (k, V), or of one sample of differences between runs that belong together.

    The numbers are drawn from the same seed each time.
    """
    means = [sample.mean(axis=0) for sample in samples]
    by_video = means[-1] - means[0] if len(means) > 1 else means[0]
    value = float(by_video.sum() / num_queries)
    p_models = randomization_test(by_video, randomizations)
    df = sum(len(sample) - 1 for sample in samples)
    if df == 0:
        return Difference(value, p_models)
    variance, freedom = _variance(samples, by_video, num_queries, df)
    if variance == 0:
        return Difference(value, p_models, 1.0 if value == 0 else p_models, value, value)
    error = variance**0.5
    p_configs = 2 * float(scipy.stats.t.sf(abs(value) / error, freedom))
    reach = float(scipy.stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    return Difference(value, p_models, max(p_configs, p_models), value - reach, value + reach)


def randomization_test(differences: np.ndarray, randomizations: int = RANDOMIZATIONS) -> float:
    """Return the two-sided p-value of `differences` (V,) when their signs are flipped at random.

    The observed signs count as one of the draws, so that p is at least 1 / (randomizations + 1).
    """
    differences = differences[differences != 0]
    observed = abs(differences.sum())
    rng, extreme = np.random.default_rng(0), 0
    for count in _chunks(randomizations, max(1, CHUNK // max(1, len(differences)))):
        signs = rng.integers(0, 2, size=(count, len(differences)), dtype=np.int8) * 2.0 - 1
        sums = np.abs(signs @ differences)
        extreme += np.count_nonzero(sums >= observed * (1 - 1e-9))  # equal sums may round differently
    return (extreme + 1) / (randomizations + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, 1979), in the same order."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return corrected.tolist()


def calibrate(
    sample: np.ndarray, num_queries: np.ndarray, runs: int, pairs: int = 200, seed: int = 0, randomizations: int = 1000
) -> dict[str, float]:
    """Return the share of `pairs` of groups of one config that differ at 0.05, for each test.

    Each pair is two groups of `runs` different runs, drawn at random, on a random half of the videos. The half is drawn
    without replacement: it is a sample of all videos of that kind. A bootstrap sample of the videos of a split would keep
    the difference of two runs on the split as if it were a true one.

    Args:
        sample: (k, V), of at least 2 `runs` runs of one config.
        num_queries: number of queries of each video, (V,).
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(pairs):
        first, second = rng.choice(len(sample), size=(2, runs), replace=False)
        videos = rng.choice(sample.shape[1], size=sample.shape[1] // 2, replace=False)
        drawn = sample[:, videos]
        found.append(compare([drawn[first], drawn[second]], int(num_queries[videos].sum()), randomizations))
    rates = {"models": float(np.mean([x.p_models <= LEVEL for x in found]))}
    if runs > 1:
        rates["configs"] = float(np.mean([x.p_configs <= LEVEL for x in found]))
    return rates


def _variance(samples: Sequence[np.ndarray], by_video: np.ndarray, num_queries: int, df: int) -> tuple[float, float]:
    """Return the variance of the difference of configs and its degrees of freedom, see the module."""
    num_videos = len(by_video)
    scale = num_videos / num_queries**2
    of_runs = interaction = 0.0  # sums of squares
    for sample in samples:
        run_means = sample.mean(axis=1, keepdims=True)
        residuals = sample - sample.mean(axis=0) - run_means + run_means.mean()
        of_runs += float(np.square(run_means - run_means.mean()).sum()) * num_videos
        interaction += float(np.square(residuals).sum())
    share = sum(1 / len(sample) for sample in samples) / df * scale
    v_videos = float(by_video.var(ddof=1)) * scale
    v_runs = of_runs * share
    v_both = interaction / (num_videos - 1) * share
    variance = max(v_videos + v_runs - v_both, v_videos, v_runs)
    spread = v_videos**2 / (num_videos - 1) + v_runs**2 / df
    return variance, variance**2 / spread if spread else 1.0


def _chunks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
