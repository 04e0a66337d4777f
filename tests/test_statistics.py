"""Statistics: intervals against naive loops, coverage, and the cases where nothing can be said."""

import numpy as np
import pytest
from numpy import ndarray
from scipy.stats import binomtest, bootstrap

from crossattack.metrics import statistics
from crossattack.metrics.statistics import (
    bca_mean,
    bootstrap_mean,
    bootstrap_recovered,
    holm,
    paired_p_value,
    percentile_interval,
    recovered,
    resampled_means,
    wilson_interval,
)


def siblings(rng: np.random.Generator, groups: int = 30) -> tuple[ndarray, ndarray]:
    """Values that are the same within a group but for a little noise, in groups of 1 to 9 items with scattered names."""
    names = np.repeat(rng.permutation(1000)[:groups], rng.integers(1, 10, groups))
    order = rng.permutation(len(names))
    centre = dict(zip(*np.unique(names, return_index=True), strict=True))
    shift = rng.standard_normal(len(names))
    return np.array([shift[centre[name]] for name in names])[order] + 0.1 * rng.standard_normal(len(names)), names[order]


def test_resampled_means_equal_a_loop_that_gathers_items() -> None:
    values, groups = siblings(np.random.default_rng(0), groups=8)
    rows = np.stack([values, values**2])
    means = resampled_means(rows, groups, np.random.default_rng(5), resamples=40)
    assert means is not None
    names, rng = np.unique(groups), np.random.default_rng(5)
    for resample, drawn in enumerate(rng.integers(len(names), size=(40, len(names)))):
        items = np.concatenate([np.flatnonzero(groups == names[group]) for group in drawn])
        assert means[:, resample] == pytest.approx(rows[:, items].mean(axis=1))


def test_blocks_of_any_size_draw_the_same_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    values, groups = siblings(np.random.default_rng(0))
    whole = bootstrap_mean(values, groups, np.random.default_rng(1))
    monkeypatch.setattr(statistics, "BLOCK", 100)
    assert bootstrap_mean(values, groups, np.random.default_rng(1)) == whole


def test_a_mean_of_groups_is_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        groups = np.repeat(np.arange(60), 5)
        values = np.repeat(rng.standard_normal(60), 5)  # five siblings of one value: 60 witnesses, not 300
        interval = bootstrap_mean(values, groups, rng, resamples=400)
        assert interval is not None
        hits += interval[0] <= 0 <= interval[1]
    assert 0.90 <= hits / 300 <= 0.98


def test_siblings_are_not_more_witnesses() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal(100)
    once = bootstrap_mean(values, np.arange(100), np.random.default_rng(0))
    many = bootstrap_mean(np.repeat(values, 20), np.repeat(np.arange(100), 20), np.random.default_rng(0))
    assert many == pytest.approx(once)
    low, high = once or (0.0, 0.0)
    assert (high - low) == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)


def test_items_without_a_value_are_left_out() -> None:
    values, groups = siblings(np.random.default_rng(4))
    wider, names = np.append(values, [np.nan, np.nan]), np.append(groups, [groups[0], 5000])
    assert bootstrap_mean(wider, names, np.random.default_rng(0)) == bootstrap_mean(values, groups, np.random.default_rng(0))


def test_one_group_has_no_interval() -> None:
    rng = np.random.default_rng(0)
    assert bootstrap_mean(np.arange(5.0), np.zeros(5, int), rng) is None
    assert bootstrap_mean(np.empty(0), np.empty(0, int), rng) is None
    assert bootstrap_mean(np.full(5, np.nan), np.arange(5), rng) is None
    one = np.ones(5)
    assert bootstrap_recovered(one, one / 2, one / 4, np.zeros(5, int), rng) is None


def test_recovered_is_a_share_of_the_white_box_damage() -> None:
    clean = np.array([0.8, 0.6, 0.7, np.nan])
    assert recovered(clean, clean - 0.3, clean - 0.4) == pytest.approx(0.75)
    assert recovered(clean, clean, clean - 0.4) == pytest.approx(0)
    assert recovered(clean, clean + 0.04, clean - 0.4) == pytest.approx(-0.1)
    assert recovered(clean, clean - 0.3, clean) is None
    assert recovered(clean[3:], clean[3:], clean[3:]) is None


def test_recovered_is_resampled_jointly() -> None:
    """The three means swing together from concept to concept, and their ratio does not."""
    rng = np.random.default_rng(6)
    clean, groups = siblings(rng)
    clean = 0.6 + 0.1 * clean
    interval = bootstrap_recovered(clean, clean * 0.4, clean * 0.2, groups, rng)
    assert interval == pytest.approx((0.75, 0.75))


def test_the_interval_of_recovered_equals_a_loop() -> None:
    rng = np.random.default_rng(7)
    clean, groups = siblings(rng)
    clean = 0.6 + 0.05 * clean
    attacked, ceiling = clean - 0.3 + 0.05 * rng.standard_normal(len(clean)), clean * 0.1
    interval = bootstrap_recovered(clean, attacked, ceiling, groups, np.random.default_rng(8), resamples=200)
    names, draws = np.unique(groups), []
    for drawn in np.random.default_rng(8).integers(len(names), size=(200, len(names))):
        items = np.concatenate([np.flatnonzero(groups == names[group]) for group in drawn])
        draws.append(recovered(clean[items], attacked[items], ceiling[items]))
    assert interval == pytest.approx((np.percentile(draws, 2.5), np.percentile(draws, 97.5)))


def test_a_ceiling_that_may_do_no_damage_has_no_interval() -> None:
    rng = np.random.default_rng(9)
    clean = rng.random(40)
    ceiling = clean - 0.01 + 0.5 * rng.standard_normal(40)
    assert bootstrap_recovered(clean, clean, ceiling, np.arange(40), rng) is None
    assert bootstrap_recovered(clean, clean, clean, np.arange(40), rng) is None


def test_percentiles_cut_equal_tails() -> None:
    assert percentile_interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert percentile_interval(np.arange(1001.0), level=0.9) == pytest.approx((50, 950))


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 500), (500, 500), (17, 40), (499, 500)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilsons_interval_is_scipys(successes: int, trials: int, level: float) -> None:
    theirs = binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert wilson_interval(successes, trials, level) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_no_trials_have_no_rate() -> None:
    assert wilson_interval(0, 0) is None


def test_bca_is_scipy_s_where_groups_are_single_items() -> None:
    values = np.random.default_rng(1).exponential(size=25)
    low, high = bca_mean(values, np.arange(25), np.random.default_rng(2), resamples=200_000) or (0.0, 0.0)
    peer = bootstrap((values,), np.mean, n_resamples=200_000, batch=20_000, rng=np.random.default_rng(3), method="BCa").confidence_interval
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.02)
    plain = bootstrap_mean(values, np.arange(25), np.random.default_rng(2), resamples=200_000) or (0.0, 0.0)
    assert low > plain[0] + 0.005, "moved towards the long tail"
    assert high > plain[1] + 0.02


def test_bca_of_a_constant_and_of_one_group() -> None:
    assert bca_mean(np.full(6, 0.25), np.arange(6), np.random.default_rng(0)) == (0.25, 0.25)
    assert bca_mean(np.arange(6.0), np.zeros(6, int), np.random.default_rng(0)) is None
    nan = np.array([np.nan, 1.0, 2.0, 4.0])
    known = bca_mean(nan[1:], np.arange(3), np.random.default_rng(0))
    assert bca_mean(nan, np.array([9, 0, 1, 2]), np.random.default_rng(0)) == known


def test_flipped_signs_give_the_exact_p_value_of_few_groups_and_about_that_of_many() -> None:
    rng = np.random.default_rng(4)
    few = rng.normal(0.4, 1, 9)
    signs = 1 - 2 * (np.arange(1 << 9)[:, None] >> np.arange(9) & 1)
    assert paired_p_value(few, np.arange(9), rng) == pytest.approx(np.mean(np.abs(signs @ few) >= abs(few.sum()) - 1e-12))
    many, groups = np.repeat(rng.normal(0.25, 1, 60), 3), np.repeat(np.arange(60), 3)
    apart = paired_p_value(many, groups, rng)
    assert apart == pytest.approx(paired_p_value(many[::3], np.arange(60), rng), abs=0.01), "siblings are one witness"
    assert paired_p_value(many, np.arange(180), rng) < apart / 2  # type: ignore[operator]
    assert paired_p_value(np.zeros(20), np.arange(20), rng) == 1
    assert paired_p_value(np.full(3, np.nan), np.arange(3), rng) is None


def test_p_values_of_runs_that_are_alike_are_uniform() -> None:
    rng = np.random.default_rng(5)
    found = [paired_p_value(rng.standard_normal(40), np.arange(40) // 2, rng, flips=200) or 0.0 for _ in range(300)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.09)


def test_holm_is_the_textbook_s() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
