"""The bootstrap over seeds: a loop, closed forms of two seeds and of many, and the bootstrap over items where seeds agree."""

import numpy as np
import pytest

from crossattack.metrics.seeds import bootstrap_over_seeds, over_seeds
from crossattack.metrics.statistics import bootstrap_mean


def generators(seed: int = 0) -> tuple[np.random.Generator, np.random.Generator]:
    return np.random.default_rng(seed), np.random.default_rng(seed + 1)


def test_it_equals_a_loop_that_gathers_the_items_of_drawn_seeds() -> None:
    rng = np.random.default_rng(7)
    values, groups = rng.random((3, 30)), np.arange(30) // 3
    low_high = bootstrap_over_seeds(values, groups, *generators(), resamples=200)
    drawn_groups = generators()[0].integers(10, size=(200, 10))
    drawn_seeds = generators()[1].integers(3, size=(3, 200))
    means = []
    for resample in range(200):
        items = [item for group in drawn_groups[resample] for item in np.flatnonzero(groups == group)]
        means.append(np.mean([[values[seed, item] for item in items] for seed in drawn_seeds[:, resample]]))
    assert low_high == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))


def test_two_seeds_without_spread_of_items_reach_from_one_to_the_other() -> None:
    """Their mean is that of the one, of both, of the other, with probabilities 1/4, 1/2, 1/4."""
    values, groups = np.array([[0.2] * 6, [0.6] * 6]), np.arange(6)
    assert bootstrap_over_seeds(values, groups, *generators()) == pytest.approx((0.2, 0.6))
    draws = over_seeds(np.array([[0.2] * 40_000, [0.6] * 40_000]), np.random.default_rng(0))
    assert [np.mean(np.isclose(draws, value)) for value in (0.2, 0.4, 0.6)] == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


def test_the_spread_of_many_seeds_is_their_standard_error() -> None:
    seeds = np.random.default_rng(1).normal(size=25)
    draws = over_seeds(np.repeat(seeds[:, None], 100_000, axis=1), np.random.default_rng(2))
    assert draws.std() == pytest.approx(seeds.std() / 5, rel=0.02)
    assert draws.mean() == pytest.approx(seeds.mean(), abs=0.005)


def test_seeds_that_agree_leave_the_bootstrap_over_items() -> None:
    values, groups = np.random.default_rng(3).random(40), np.arange(40) // 2
    alone = bootstrap_mean(values, groups, np.random.default_rng(0))
    for seeds in (1, 3):
        assert bootstrap_over_seeds(np.repeat(values[None], seeds, axis=0), groups, *generators()) == pytest.approx(alone)


def test_items_without_a_value_in_any_seed_are_left_out_and_one_group_says_nothing() -> None:
    values, groups = np.random.default_rng(4).random((2, 10)), np.arange(10)
    wider = np.concatenate([values, [[np.nan], [0.5]]], axis=1)
    assert bootstrap_over_seeds(wider, np.arange(11), *generators()) == bootstrap_over_seeds(values, groups, *generators())
    assert bootstrap_over_seeds(values, np.zeros(10, int), *generators()) is None
