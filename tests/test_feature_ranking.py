"""Rankings by features against loops that say what is meant, scikit-learn, and values worked out by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from crossattack.metrics.features import average_precision, found_within, places_of, precision_at, ranked


def world(seed: int, queries: int = 7, items: int = 40) -> tuple[torch.Tensor, torch.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    asked, stored = (torch.from_numpy(rng.normal(size=(count, 5)).astype(np.float32)) for count in (queries, items))
    return asked, stored, rng.random((queries, items)) < 0.2, rng.random((queries, items)) < 0.15


def naive_places(asked: torch.Tensor, stored: torch.Tensor, relevant: np.ndarray, junk: np.ndarray, measure: str) -> list[list[int]]:
    found = []
    for query, right, out in zip(asked.double(), relevant, junk, strict=True):
        far = []
        for item in stored.double():
            cosine = float(query @ item) / float(query.norm() * item.norm())
            far.append(-cosine if measure == "cosine" else float((query - item).norm()))
        place, own = 0, []
        for item in sorted(range(len(stored)), key=lambda item: far[item]):
            if out[item]:
                continue
            place += 1
            if right[item]:
                own.append(place)
        found.append(own)
    return found


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
@pytest.mark.parametrize("seed", range(4))
def test_places_are_those_of_a_loop_over_what_is_no_junk(seed: int, measure: str) -> None:
    asked, stored, relevant, junk = world(seed)
    ours = places_of(asked, stored, relevant, junk, measure)  # type: ignore[arg-type]
    assert [own.tolist() for own in ours] == naive_places(asked, stored, relevant, junk, measure)


def test_without_junk_nothing_is_left_out() -> None:
    asked, stored, relevant, _ = world(0)
    nothing = np.zeros_like(relevant)
    ours, same = (places_of(asked, stored, relevant, junk, "cosine") for junk in (None, nothing))
    assert all(np.array_equal(a, b) for a, b in zip(ours, same, strict=True))


def test_rectangles_are_scikit_learns_average_precision() -> None:
    asked, stored, relevant, _ = world(3)
    scores = (torch.nn.functional.normalize(asked) @ torch.nn.functional.normalize(stored).T).numpy()
    theirs = [average_precision_score(right, score) for right, score in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(average_precision(places_of(asked, stored, relevant, None, "cosine")), theirs, atol=1e-12)


def test_both_conventions_by_hand() -> None:
    """Right answers at places 1, 3 and 6: after them precision is 1, 2/3, 1/2; before them 1, 1/2, 2/5."""
    places = [np.array([1, 3, 6]), np.array([2]), np.array([], np.int64)]
    np.testing.assert_allclose(average_precision(places), [(1 + 2 / 3 + 1 / 2) / 3, 1 / 2, np.nan])
    np.testing.assert_allclose(average_precision(places, "trapezoid"), [(2 + 7 / 6 + 9 / 10) / 6, 1 / 4, np.nan])


def test_ranks_by_hand() -> None:
    places = [np.array([1, 3, 6]), np.array([4]), np.array([], np.int64)]
    np.testing.assert_allclose(found_within(places, 1), [1, 0, np.nan])
    np.testing.assert_allclose(found_within(places, 4), [1, 1, np.nan])
    np.testing.assert_allclose(precision_at(places, 5), [2 / 5, 1 / 5, np.nan])


def test_ties_stand_in_the_order_of_the_database() -> None:
    same = torch.ones(4, 3)
    assert ranked(same[:1], same, "cosine").tolist() == ranked(same[:1], same, "euclidean").tolist() == [[0, 1, 2, 3]]
