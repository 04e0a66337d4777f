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
