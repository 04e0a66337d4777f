"""Ranking: closed forms against the enumeration of every order of the ties, random orders, and scikit-learn."""

from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from sklearn.metrics import average_precision_score
from torch import Tensor

from crossattack.codes import hamming, harden, pack
from crossattack.errors import UnknownName
from crossattack.metrics import _counting
from crossattack.metrics.cutoffs import precision_at
from crossattack.metrics.ranking import (
    QueryMean,
    TieOrder,
    average_precision,
    expected_places,
    levels,
    mean_average_precision,
    precision_at_recalls,
    random_average_precision,
    share_a_label,
)


def codes(items: int, bits: int, rng: np.random.Generator) -> Tensor:
    return harden(torch.from_numpy(rng.standard_normal((items, bits))))


def precision_of(ranked: list[bool]) -> float:
    """AP of one ranking, as it is taught."""
    hits, total = 0, 0.0
    for rank, is_relevant in enumerate(ranked, start=1):
        if is_relevant:
            hits += 1
            total += hits / rank
    return total / hits if hits else float("nan")


def every_ranking(distance: ndarray, relevant: ndarray) -> list[list[bool]]:
    """The rankings of all orders of the items that keep distances sorted."""
    items = range(len(distance))
    orders = (order for order in permutations(items) if all(distance[a] <= distance[b] for a, b in pairwise(order)))
    return [[bool(relevant[item]) for item in order] for order in orders]


# two bits and up to seven items: nearly everything ties
tied_worlds = st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 0.9]))


@settings(deadline=None, max_examples=60)
@given(world=tied_worlds)
def test_expected_best_and_worst_are_those_of_all_orders_of_the_ties(world: tuple[int, int, int, float]) -> None:
    bits, items, seed, share = world
    rng = np.random.default_rng(seed)
    query, database, relevant = codes(1, bits, rng), codes(items, bits, rng), rng.random((1, items)) < share
    rankings = every_ranking(hamming(pack(query), pack(database))[0], relevant[0])
    each = [precision_of(ranked) for ranked in rankings]
    for ties, naive in (("expected", np.mean(each)), ("best", np.max(each)), ("worst", np.min(each))):
        assert average_precision(query, database, relevant, ties) == pytest.approx(naive, abs=1e-12, nan_ok=True)


@settings(deadline=None, max_examples=30)
@given(bits=st.integers(1, 100), items=st.integers(1, 60), seed=st.integers(0, 10**6))
def test_stable_order_breaks_ties_by_position(bits: int, items: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, database, relevant = codes(3, bits, rng), codes(items, bits, rng), rng.random((3, items)) < 0.3
    naive = []
    for distance, row in zip(hamming(pack(queries), pack(database)), relevant, strict=True):
        naive.append(precision_of([bool(row[item]) for item in sorted(range(items), key=lambda item: (distance[item], item))]))
    assert average_precision(queries, database, relevant, "stable") == pytest.approx(naive, nan_ok=True)


def test_expected_is_the_average_of_random_orders_in_a_larger_world() -> None:
    rng = np.random.default_rng(0)
    query, database = codes(1, 16, rng), codes(400, 16, rng)
    distance = hamming(pack(query), pack(database))[0]
    relevant = rng.random((1, 400)) < np.where(distance < 7, 0.6, 0.2)  # near items are relevant more often
    draws = []
    for _ in range(4000):
        order = np.lexsort((rng.random(400), distance))
        ranks = np.flatnonzero(relevant[0][order]) + 1
        draws.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    error = np.std(draws) / len(draws) ** 0.5
    expected = average_precision(query, database, relevant)[0]
    assert abs(expected - np.mean(draws)) < 4 * error
    assert average_precision(query, database, relevant, "worst")[0] < min(draws)
    assert average_precision(query, database, relevant, "best")[0] > max(draws)


@pytest.mark.parametrize("ties", ["expected", "stable", "best", "worst"])
def test_without_ties_every_order_is_scikit_learns(ties: TieOrder) -> None:
    rng = np.random.default_rng(1)
    items, bits = 40, 40
    query = torch.ones(1, bits, dtype=torch.int8)
    database = (torch.arange(bits) >= torch.arange(items)[:, None]).to(torch.int8) * 2 - 1  # item i differs in i bits
    shuffle = torch.from_numpy(rng.permutation(items))
    relevant = rng.random((1, items)) < 0.4
    found = average_precision(query, database[shuffle], relevant, ties)
    assert found[0] == pytest.approx(average_precision_score(relevant[0], -shuffle.numpy()), abs=1e-12)


def test_a_database_of_one_code_scores_the_floor() -> None:
    rng = np.random.default_rng(2)
    queries, database = codes(6, 32, rng), torch.ones(50, 32, dtype=torch.int8)
    relevant = rng.random((6, 50)) < np.array([0.02, 0.1, 0.3, 0.5, 0.9, 1.1])[:, None]
    relevant[0, 7] = True
    counts = relevant.sum(axis=1)
    floor = random_average_precision(counts, 50)
    assert average_precision(queries, database, relevant) == pytest.approx(floor, abs=1e-12)
    assert (floor >= counts / 50 - 1e-12).all()
    assert precision_at(10, levels(queries, database, relevant)) == pytest.approx(counts / 50)


@pytest.mark.parametrize(("items", "count"), [(1, 1), (2, 1), (5, 2), (6, 6), (7, 3)])
def test_the_floor_is_the_mean_over_all_rankings(items: int, count: int) -> None:
    rankings = set(permutations([True] * count + [False] * (items - count)))
    naive = np.mean([precision_of(list(ranked)) for ranked in rankings])
    assert random_average_precision(np.array([count]), items)[0] == pytest.approx(naive, abs=1e-12)


def test_queries_with_nothing_relevant_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(3)
    queries, database, relevant = codes(4, 8, rng), codes(20, 8, rng), rng.random((4, 20)) < 0.5
    relevant[1] = False
    each = average_precision(queries, database, relevant)
    assert np.isnan(each).tolist() == [False, True, False, False]
    assert np.isnan(average_precision(queries, database, relevant, "stable")).tolist() == [False, True, False, False]
    assert mean_average_precision(queries, database, relevant) == QueryMean(float(each[[0, 2, 3]].mean()), scored=3, left_out=1)
    assert mean_average_precision(queries, database, np.zeros_like(relevant)) == QueryMean(None, scored=0, left_out=4)
    assert precision_at(5, levels(queries, database, relevant))[1] == 0


@pytest.mark.parametrize("ties", ["expected", "stable", "best", "worst"])
def test_a_database_of_one_item_is_right_or_has_nothing(ties: TieOrder) -> None:
    rng = np.random.default_rng(4)
    each = average_precision(codes(2, 16, rng), codes(1, 16, rng), np.array([[True], [False]]), ties)
    assert each[0] == 1
    assert np.isnan(each[1])


@pytest.mark.parametrize("ties", ["expected", "stable", "best", "worst"])
def test_no_queries_and_no_items_are_no_error(ties: TieOrder) -> None:
    rng = np.random.default_rng(5)
    assert average_precision(codes(0, 16, rng), codes(3, 16, rng), np.zeros((0, 3), bool), ties).shape == (0,)
    nothing = average_precision(codes(2, 16, rng), codes(0, 16, rng), np.zeros((2, 0), bool), ties)
    assert np.isnan(nothing).all()


def test_tiles_of_any_size_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    queries, database, relevant = codes(9, 70, rng), codes(53, 70, rng), rng.random((9, 53)) < 0.3
    whole = average_precision(queries, database, relevant)
    for tile in (1, 10, 53, 100):
        monkeypatch.setattr(_counting, "TILE", tile)
        assert np.array_equal(average_precision(queries, database, relevant), whole)


@pytest.mark.parametrize("bits", [16, 64, 100, 300])
def test_the_histogram_counts_every_item_once_at_its_distance(bits: int) -> None:
    rng = np.random.default_rng(7)
    queries, database, relevant = codes(4, bits, rng), codes(80, bits, rng), rng.random((4, 80)) < 0.3
    queries[0] = -database[0]  # one at the largest distance
    found = levels(queries, database, relevant)
    distance = hamming(pack(queries), pack(database))
    for level in range(bits + 1):
        assert (found.items[:, level] == (distance == level).sum(axis=1)).all()
        assert (found.relevant[:, level] == ((distance == level) & relevant).sum(axis=1)).all()


@pytest.mark.parametrize("labels", [1, 24, 32, 33, 64, 100])
def test_relevance_is_one_shared_label(labels: int) -> None:
    rng = np.random.default_rng(8)
    query, database = rng.random((5, labels)) < 0.1, rng.random((11, labels)) < 0.1
    naive = [[any(a and b for a, b in zip(q, d, strict=True)) for d in database] for q in query]
    assert share_a_label(torch.from_numpy(query), torch.from_numpy(database)).tolist() == naive


def test_an_unknown_order_of_ties_lists_the_choices() -> None:
    one = torch.ones(1, 4, dtype=torch.int8)
    unchecked = getattr(average_precision, "__wrapped__", average_precision)  # without pytest's type checks, as a user calls it
    with pytest.raises(UnknownName, match=r"did you mean 'stable'.*expected, stable, best, worst"):
        unchecked(one, one, np.ones((1, 1), bool), "stabel")


def test_a_curve_is_the_precision_of_the_smallest_ball_that_reaches_each_recall() -> None:
    rng = np.random.default_rng(3)
    queries, database = codes(6, 12, rng), codes(70, 12, rng)
    relevant = rng.random((6, 70)) < 0.2
    relevant[4] = False
    curve = precision_at_recalls(levels(queries, database, relevant))
    distances = hamming(pack(queries), pack(database))
    for query in range(6):
        for column, recall in enumerate(np.arange(1, 11) / 10):
            balls = [distances[query] <= radius for radius in range(13)]
            reached = [
                ball for ball in balls if relevant[query].any() and relevant[query][ball].sum() >= recall * relevant[query].sum() - 1e-9
            ]
            naive = relevant[query][reached[0]].mean() if reached else np.nan
            assert curve[query, column] == pytest.approx(naive, nan_ok=True)
    assert np.isnan(curve[4]).all()
    assert curve[0, -1] <= curve[0, 0]


def test_the_expected_place_is_the_mean_over_all_orders_of_the_ties() -> None:
    query, database = (
        torch.tensor([[1, 1, 1]], dtype=torch.int8),
        torch.tensor([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, -1, 1]], dtype=torch.int8),
    )
    assert expected_places(query, database, (0, 1, 2, 3)).tolist() == [[1.0, 2.5, 2.5, 4.0]]
