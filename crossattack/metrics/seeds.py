"""Seeds: how sure a mean over a few seeds is, where all of them judged the same items.

Neither the items nor the seeds are all there could be, so both are drawn again: groups of items once for all seeds, and as many seeds
as there are, with replacement. With few seeds such an interval is too narrow rather than too wide, as any that resamples few things.

Paper: Art Owen, "The pigeonhole bootstrap", Annals of Applied Statistics, 2007.
"""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from crossattack.metrics.statistics import RESAMPLES, Groups, Interval, percentile_interval, resampled_means


def bootstrap_over_seeds(
    values: Float64[ndarray, "seeds items"],
    groups: Groups,
    items: np.random.Generator,
    seeds: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval | None:
    """Percentile interval of the mean over seeds and items, both resampled, each by a generator of its own.

    Items without a value in any seed are left out of all. None with fewer than two groups; of one seed it is `bootstrap_mean`'s.
    """
    known = ~np.isnan(values).any(axis=0)
    means = resampled_means(values[:, known], groups[known], items, resamples)
    return None if means is None else percentile_interval(over_seeds(means, seeds), level)


def over_seeds(draws: Float64[ndarray, "seeds resamples"], rng: np.random.Generator) -> Float64[ndarray, " resamples"]:
    """In each resample the mean of as many seeds as there are, drawn with replacement."""
    drawn = rng.integers(len(draws), size=draws.shape)
    means: Float64[ndarray, " resamples"] = np.take_along_axis(draws, drawn, axis=0).mean(axis=0)
    return means
