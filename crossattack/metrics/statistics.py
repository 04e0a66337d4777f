"""Statistics: how sure a number is.

Sibling items (ten drawings of one emoji) are not ten witnesses, so intervals resample groups, not items: a resample
draws as many groups as there are, with replacement, and takes the mean over all items of the drawn groups. Numbers that
are compared are resampled together. A number is None where the data cannot say it: one group has no spread to resample,
and a share of nothing is no share.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from scipy.special import stdtrit

Interval: TypeAlias = tuple[float, float]
Values: TypeAlias = Float64[ndarray, " items"]
Groups: TypeAlias = Int64[ndarray, " items"]

RESAMPLES = 2000
BLOCK = 1 << 20  # drawn groups at work at a time


def bootstrap_mean(
    values: Values, groups: Groups, rng: np.random.Generator, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval | None:
    """Percentile interval of the mean over items, groups resampled. NaN items have no value and are left out.

    None with fewer than two groups.
    """
    known = ~np.isnan(values)
    means = resampled_means(values[None, known], groups[known], rng, resamples)
    return None if means is None else percentile_interval(means[0], level)


def bca_mean(values: Values, groups: Groups, rng: np.random.Generator, resamples: int = RESAMPLES, level: float = 0.95) -> Interval | None:
    """Bias-corrected and accelerated interval of the mean over items, groups resampled: nearer to its level than percentiles where the
    mean is skewed, as differences of a few groups are. NaN items are left out; None with fewer than two groups.

    Percentiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of the draws, with z0 from the share of draws below the mean and the acceleration a
    from the means that leave one group out.

    Paper: Bradley Efron, Better Bootstrap Confidence Intervals, JASA, 1987.
    """
    known = ~np.isnan(values)
    values, groups = values[known], groups[known]
    means = resampled_means(values[None], groups, rng, resamples)
    if means is None:
        return None
    mean, draws, normal = values.mean(), means[0], NormalDist()
    below = (np.sum(draws < mean) + np.sum(draws == mean) / 2) / len(draws)
    if not 0 < below < 1:  # all draws lie on one side, or are the mean
        return percentile_interval(draws, level)
    _, member = np.unique(groups, return_inverse=True)
    left = (values.sum() - np.bincount(member, values)) / (len(values) - np.bincount(member))
    skew = left.mean() - left
    spread = float((skew**2).sum())
    acceleration = float((skew**3).sum()) / (6 * spread**1.5) if spread else 0.0
    bias = normal.inv_cdf(float(below))
    ends = [bias + normal.inv_cdf(tail) for tail in ((1 - level) / 2, (1 + level) / 2)]
    low, high = np.quantile(draws, [normal.cdf(bias + end / (1 - acceleration * end)) for end in ends])
    return float(low), float(high)


def paired_p_value(differences: Values, groups: Groups, rng: np.random.Generator, flips: int = 10_000) -> float | None:
    """How likely a mean at least so far from zero is, were the two runs alike: the sign of each group's differences is flipped at random.

    In (0, 1], two-sided; every flip of up to 2^13 where groups are few, else `flips` drawn ones and the one at hand. NaN differences
    are left out; None without any.

    Paper: Ronald Fisher, The Design of Experiments, 1935; for retrieval Mark Smucker, James Allan, Ben Carterette, A Comparison of
    Statistical Significance Tests for Information Retrieval Evaluation, CIKM 2007.
    """
    known = ~np.isnan(differences)
    if not known.any():
        return None
    _, member = np.unique(groups[known], return_inverse=True)
    sums = np.bincount(member, differences[known])
    if len(sums) <= 13:
        signs = 1 - 2 * (np.arange(1 << len(sums))[:, None] >> np.arange(len(sums)) & 1)
    else:
        signs = np.concatenate([np.ones((1, len(sums)), np.int64), 1 - 2 * rng.integers(0, 2, (flips, len(sums)))])
    reached = np.abs(signs @ sums) >= abs(sums.sum()) * (1 - 1e-12)
    return float(reached.mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """The same p values, adjusted for being several: of all that are called significant at 0.05, the chance that any is so by chance
    is at most 0.05.

    Paper: Sture Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    raised = np.maximum.accumulate([min(1.0, p_values[place] * (len(p_values) - rank)) for rank, place in enumerate(order)])
    adjusted = np.empty(len(p_values))
    adjusted[order] = raised
    return [float(value) for value in adjusted]


def recovered(clean: Values, attacked: Values, ceiling: Values) -> float | None:
    """(clean - attacked) / (clean - ceiling) of the means: the share of the white-box damage that the black box gets.

    Items that are NaN anywhere are left out. None when the ceiling does no damage: there is nothing to get a share of.
    """
    rows = np.stack([clean, attacked, ceiling])
    rows = rows[:, ~np.isnan(rows).any(axis=0)]
    if not rows.size:
        return None
    before, after, lowest = rows.mean(axis=1)
    return float((before - after) / (before - lowest)) if before > lowest else None


def bootstrap_recovered(
    clean: Values,
    attacked: Values,
    ceiling: Values,
    groups: Groups,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval | None:
    """Percentile interval of `recovered`, all three means taken on the same resamples.

    None with fewer than two groups, or when the ceiling does no damage in any one resample: the ratio then runs through
    infinity, and no interval of it says anything.
    """
    rows = np.stack([clean, attacked, ceiling])
    known = ~np.isnan(rows).any(axis=0)
    means = resampled_means(rows[:, known], groups[known], rng, resamples)
    if means is None or (means[0] <= means[2]).any():
        return None
    return percentile_interval((means[0] - means[1]) / (means[0] - means[2]), level)


def resampled_means(
    values: Float64[ndarray, "numbers items"], groups: Groups, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Float64[ndarray, "numbers resamples"] | None:
    """Means over items of each row of numbers, on the same resamples of groups: sum of the drawn groups' sums over the sum
    of their sizes. None with fewer than two groups.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None
    sums = np.stack([np.bincount(member, row, len(names)) for row in (*values, np.ones(len(member)))])  # (numbers + 1, groups)
    totals = np.empty((len(sums), resamples))
    block = max(1, BLOCK // len(names))
    for first in range(0, resamples, block):
        drawn = rng.integers(len(names), size=(min(block, resamples - first), len(names)))
        for total, each in zip(totals, sums, strict=True):
            total[first : first + block] = each[drawn].sum(axis=1)
    means: Float64[ndarray, "numbers resamples"] = totals[:-1] / totals[-1]
    return means


def percentile_interval(draws: Float64[ndarray, " resamples"], level: float = 0.95) -> Interval:
    """The middle `level` of the draws: at 0.95 their 2.5th and 97.5th percentile."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> Interval | None:
    """Wilson's score interval of a rate, honest near 0 and 1; None without trials.

    The rates p with |successes / trials - p| <= z sqrt(p (1 - p) / trials).

    Paper: Edwin Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA, 1927.
    """
    if not trials:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate, weight = successes / trials, z * z / trials
    centre = (rate + weight / 2) / (1 + weight)
    reach = z * ((rate * (1 - rate) + weight / 4) / trials) ** 0.5 / (1 + weight)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def student_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """Student's interval of the mean of a few independent numbers, such as one a seed; None with fewer than two.

    Wide where they are few: with three numbers it reaches 4.3 standard errors either way, with thirty 2.0.

    Paper: Student, The Probable Error of a Mean, Biometrika, 1908.
    """
    if len(values) < 2:
        return None
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stdtrit(len(values) - 1, (1 + level) / 2)) * error
    centre = float(np.mean(values))
    return centre - reach, centre + reach
