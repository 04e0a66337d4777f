"""MAP@k in the field's three definitions, beside loops that say each in its own words."""

import numpy as np
import pytest
import torch

from crossattack.errors import UsageError
from crossattack.metrics.cutoff import Cut, cut_average_precision
from crossattack.metrics.ranking import average_precision


def world(queries: int = 12, items: int = 70, bits: int = 9) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(3)
    codes = [torch.from_numpy(rng.choice(np.array([-1, 1], np.int8), (count, bits))) for count in (queries, items)]
    relevant = rng.random((queries, items)) < 0.3
    relevant[0] = False
    return codes[0], codes[1], relevant


def by_hand(query: torch.Tensor, database: torch.Tensor, right: np.ndarray, k: int, cut: Cut) -> float:
    """A list, walked from the front."""
    distance = [int((query != item).sum()) for item in database]
    order = sorted(range(len(database)), key=lambda item: (distance[item], item))
    precisions, hits = list[float](), 0
    for place, item in enumerate(order, 1):
        if cut != "first_relevant" and place > k:
            break
        if right[item]:
            hits += 1
            precisions.append(hits / place)
            if cut == "first_relevant" and hits == k:
                break
    of = min(k, int(right.sum())) if cut == "top_possible" else len(precisions)
    return sum(precisions) / of if precisions else 0.0


@pytest.mark.parametrize("cut", ["first_relevant", "top_hits", "top_possible"])
def test_each_definition_agrees_with_a_walk_down_the_list(cut: Cut) -> None:
    queries, database, relevant = world()
    cuts = (1, 3, 10, 50, 70, 1000)
    found = cut_average_precision(queries, database, relevant, cuts, cut)
    assert np.isnan(found[:, 0]).all()
    for row, k in enumerate(cuts):
        for query in range(1, len(queries)):
            assert found[row, query] == pytest.approx(by_hand(queries[query], database, relevant[query], k, cut), abs=1e-12)


def test_without_a_cut_all_three_are_mean_average_precision_of_a_stable_sort() -> None:
    queries, database, relevant = world()
    whole = average_precision(queries, database, relevant, "stable")
    for cut in ("first_relevant", "top_hits", "top_possible"):
        assert np.allclose(cut_average_precision(queries, database, relevant, (70,), cut)[0], whole, equal_nan=True)


def test_one_name_is_three_numbers() -> None:
    """Hits at places 1 and 4 of five relevant items; at k = 2 the definitions see 2 hits, 1 hit of 1, and 1 hit of 2."""
    query = torch.ones(1, 8, dtype=torch.int8)
    database = torch.ones(9, 8, dtype=torch.int8)
    for item in range(9):
        database[item, :item] = -1 if item < 9 else 1
    relevant = np.array([[1, 0, 0, 1, 0, 1, 1, 1, 0]], bool)
    found = {
        cut: cut_average_precision(query, database, relevant, (2,), cut)[0, 0] for cut in ("first_relevant", "top_hits", "top_possible")
    }
    assert found == {"first_relevant": 0.75, "top_hits": 1.0, "top_possible": 0.5}


def test_a_k_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="k of at least 1, got 0"):
        cut_average_precision(*world(), (0,), "top_hits")
