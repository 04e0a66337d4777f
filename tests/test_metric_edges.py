"""Every ranking metric at its limits (all items tie, nothing is relevant, one item, none), and peers where much ties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from scipy.stats import hypergeom
from sklearn.metrics import ndcg_score, precision_score
from test_ranking import codes

from crossattack.codes import hamming, pack
from crossattack.metrics import features
from crossattack.metrics.cutoffs import (
    average_precision_at,
    legacy_average_precision,
    ndcg_at,
    pooled_within,
    precision_at,
    recall_at,
    success_at,
    within,
)
from crossattack.metrics.hubness import hubness
from crossattack.metrics.ranking import average_precision, levels, precision_at_recalls, random_average_precision

NAMES = ("first_k_relevant", "top_k_hits", "top_k_min", "trapezoid")


def bestgen(relevant: int, items: int) -> float:
    """Expected AP of a random ranking by the algorithm of Yves Bestgen, Exact Expected Average Precision of the Random Baseline for System
    Evaluation, Prague Bulletin of Mathematical Linguistics, 2015: over the i-th relevant item and the place n where it stands."""
    places = [(i, n) for i in range(1, relevant + 1) for n in range(i, items - relevant + i + 1)]
    return sum(float(hypergeom(items, relevant, n).pmf(i)) * (i / n) ** 2 for i, n in places) / relevant


@pytest.mark.parametrize(("relevant", "items"), [(1, 1), (1, 9), (4, 9), (9, 9), (10, 100), (37, 100)])
def test_where_everything_ties_it_is_the_published_value_of_a_random_ranking(relevant: int, items: int) -> None:
    database, mask = torch.ones(items, 6, dtype=torch.int8), (np.arange(items) < relevant)[None]
    assert average_precision(-database[:1], database, mask) == pytest.approx(bestgen(relevant, items), abs=1e-12)
    assert random_average_precision(np.array([relevant]), items) == pytest.approx(bestgen(relevant, items), abs=1e-12)


def test_a_random_ranking_scores_above_its_share_by_as_much_as_was_published() -> None:
    """Of a tenth that is relevant: by 38 % among 100 items, 6 % among 1,000, 0.8 % among 10,000."""
    for items, excess in ((100, 0.38), (1000, 0.06), (10_000, 0.008)):
        assert random_average_precision(np.array([items // 10]), items)[0] / 0.1 - 1 == pytest.approx(excess, rel=0.04)


@pytest.mark.parametrize("k", [1, 3, 8, 20])
def test_every_metric_of_a_database_that_ties_as_a_whole(k: int) -> None:
    """Three of eight items are relevant: each place holds one with probability 3/8."""
    database, relevant = torch.ones(8, 5, dtype=torch.int8), np.array([[True, False, True, False, False, False, True, False]])
    query = -database[:1]
    found, shown = levels(query, database, relevant), min(k, 8)
    assert precision_at(k, found) == pytest.approx(3 / 8 * shown / k)
    assert recall_at(k, found) == pytest.approx(shown / 8)
    assert success_at(k, found) == pytest.approx(1 - hypergeom(8, 3, shown).pmf(0))
    assert average_precision_at(k, found, "best") == pytest.approx(1)
    assert average_precision_at(8, found, "worst") == pytest.approx((1 / 6 + 2 / 7 + 3 / 8) / 3)
    discounts = 1 / np.log2(np.arange(shown) + 2)
    assert ndcg_at(k, query, database, relevant.astype(int)) == pytest.approx(3 / 8 * discounts.sum() / discounts[: min(3, shown)].sum())
    for radius, (precision, recall) in {4: (0, 0), 5: (3 / 8, 1)}.items():
        assert [float(value[0]) for value in within(radius, found)] == [precision, recall]
    assert [float(value[5]) for value in pooled_within(found)] == [3 / 8, 1]
    assert precision_at_recalls(found).tolist() == [[3 / 8] * 10]
    assert hubness(query.repeat(4, 1), database) == 1 / 8


def test_every_metric_of_a_query_to_which_nothing_is_relevant_is_not_a_number_or_says_nought_as_told() -> None:
    rng = np.random.default_rng(0)
    query, database, none = codes(1, 6, rng), codes(9, 6, rng), np.zeros((1, 9), bool)
    found = levels(query, database, none)
    for ties in ("expected", "stable", "best", "worst"):
        assert np.isnan(average_precision(query, database, none, ties)).all()  # type: ignore[arg-type]
    for name in NAMES:
        assert np.isnan(legacy_average_precision(name, 5, query, database, none)).all()  # type: ignore[arg-type]
    for value in (average_precision_at(5, found), recall_at(5, found), ndcg_at(5, query, database, none.astype(int)), within(3, found)[1]):
        assert np.isnan(value).all()
    assert np.isnan(precision_at_recalls(found)).all()
    assert np.isnan(pooled_within(found)[1]).all()
    for value in (precision_at(5, found), success_at(5, found), within(3, found)[0]):
        assert value.tolist() == [0]


@pytest.mark.parametrize("right", [True, False])
def test_every_metric_of_a_database_of_one_item(right: bool) -> None:
    rng = np.random.default_rng(1)
    query, database, relevant = codes(1, 6, rng), codes(1, 6, rng), np.array([[right]])
    found, away, whole = levels(query, database, relevant), int(hamming(pack(query), pack(database))[0, 0]), float(right) or np.nan
    for ties in ("expected", "stable", "best", "worst"):
        assert average_precision(query, database, relevant, ties) == pytest.approx(whole, nan_ok=True)  # type: ignore[arg-type]
    for name in NAMES:
        old = legacy_average_precision(name, 3, query, database, relevant)  # type: ignore[arg-type]
        assert old == pytest.approx(whole, nan_ok=True)
    for value in (average_precision_at(3, found), recall_at(3, found), ndcg_at(3, query, database, relevant.astype(int))):
        assert value == pytest.approx(whole, nan_ok=True)
    assert (precision_at(1, found)[0], precision_at(3, found)[0], success_at(3, found)[0]) == pytest.approx(
        (float(right), right / 3, float(right))
    )
    assert within(away, found)[0].tolist() == [right]
    assert within(away - 1, found)[0].tolist() == [0]
    assert random_average_precision(np.array([int(right)]), 1) == pytest.approx(whole, nan_ok=True)
    assert hubness(query, database) == 1


def test_no_query_and_no_item_are_no_error() -> None:
    none, one = torch.empty(0, 6, dtype=torch.int8), torch.ones(1, 6, dtype=torch.int8)
    for query, database in ((none, one), (one, none), (none, none)):
        found = levels(query, database, np.zeros((len(query), len(database)), bool))
        for value in (average_precision_at(3, found), recall_at(3, found), precision_at(3, found), success_at(3, found), *within(2, found)):
            assert value.shape == (len(query),)
        assert ndcg_at(3, query, database, np.zeros((len(query), len(database)), np.int64)).shape == (len(query),)


heavy = st.tuples(st.integers(1, 3), st.integers(2, 30), st.integers(0, 10**6), st.integers(1, 35))


@settings(deadline=None, max_examples=60)
@given(world=heavy)
def test_under_heavy_ties_ndcg_is_scikit_learns_which_averages_ties_too(world: tuple[int, int, int, int]) -> None:
    bits, items, seed, k = world
    rng = np.random.default_rng(seed)
    query, database, shared = codes(1, bits, rng), codes(items, bits, rng), rng.binomial(3, 0.4, (1, items))
    peer = ndcg_score(2.0**shared - 1, -hamming(pack(query), pack(database)).astype(float), k=k) if shared.any() else np.nan
    assert ndcg_at(k, query, database, shared) == pytest.approx(peer, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(world=heavy)
def test_precision_and_recall_of_a_ball_are_those_of_a_classifier(world: tuple[int, int, int, int]) -> None:
    """Scikit-learn's, of the rule that everything within the radius is relevant."""
    bits, items, seed, _ = world
    rng = np.random.default_rng(seed)
    query, database = codes(1, bits, rng), codes(items, bits, rng)
    relevant, distance = rng.random((1, items)) < 0.4, hamming(pack(query), pack(database))[0]
    found = levels(query, database, relevant)
    for radius in range(bits + 1):
        ball = distance <= radius
        assert within(radius, found)[0][0] == pytest.approx(precision_score(relevant[0], ball, zero_division=0.0))
        if ball.any():
            assert pooled_within(found)[0][radius] == pytest.approx(relevant[0][ball].mean())


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
def test_features_at_their_limits(measure: features.Measure) -> None:
    """All at one point, the order of the database stands; a query all of whose right answers are junk has no value; one item."""
    same = torch.ones(4, 3)
    right: ndarray = np.array([[False, True, False, True]])
    (own,) = features.places_of(same[:1], same, right, None, measure)
    assert own.tolist() == [2, 4]
    (left,) = features.places_of(same[:1], same, right, np.array([[True, False, False, False]]), measure)
    assert left.tolist() == [1, 3]
    gone = features.places_of(same[:1], same, right, right, measure)
    for value in (features.average_precision(gone), features.found_within(gone, 1), features.precision_at(gone, 1)):
        assert np.isnan(value).all()
    alone = features.places_of(same[:1], same[:1], np.array([[True]]), None, measure)
    assert features.average_precision(alone, "trapezoid").tolist() == features.average_precision(alone).tolist() == [1]
