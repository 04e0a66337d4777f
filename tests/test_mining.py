"""Triplets: naive loops beside the vectorised ones, ties, seeds."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossattack.codes import harden
from crossattack.mining import extremes, likeness, triplets_of


def codes(items: int, bits: int, seed: int) -> Tensor:
    return harden(torch.randn(items, bits, generator=torch.Generator().manual_seed(seed)))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distances(anchor: Tensor, others: Tensor) -> list[int]:
    return [sum(a != b for a, b in zip(anchor.tolist(), other, strict=True)) for other in others.tolist()]


worlds = {"bits": st.integers(1, 12), "items": st.integers(1, 40), "share": st.floats(0.01, 0.5), "seed": st.integers(0, 10**6)}


@settings(deadline=None, max_examples=60)
@given(**worlds)
def test_positives_are_among_the_nearest_and_negatives_among_the_farthest(bits: int, items: int, share: float, seed: int) -> None:
    anchors, others = codes(7, bits, seed), codes(items, bits, seed + 1)
    found = triplets_of(likeness(anchors, others), generator(seed), per_anchor=3, among=share)
    pool = max(1, round(share * items))
    for anchor, positive, negative in zip(found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist(), strict=True):
        distance = distances(anchors[anchor], others)
        assert distance[positive] <= sorted(distance)[pool - 1]
        assert distance[negative] >= sorted(distance, reverse=True)[pool - 1]
        assert distance[positive] < distance[negative]
    assert max(Counter(found.anchors.tolist()).values(), default=0) <= 3


@settings(deadline=None, max_examples=60)
@given(**worlds)
def test_nearest_and_farthest_are_those_of_a_sort(bits: int, items: int, share: float, seed: int) -> None:
    anchors, others = codes(5, bits, seed), codes(items, bits, seed + 1)
    count = max(1, round(share * items))
    nearest, farthest = extremes(likeness(anchors, others), generator(seed), count)
    for anchor, near, far in zip(anchors, nearest.tolist(), farthest.tolist(), strict=True):
        distance = distances(anchor, others)
        assert sorted(distance[i] for i in near) == sorted(distance)[:count]
        assert sorted(distance[i] for i in far) == sorted(distance)[items - count :]
        assert len(set(near)) == len(set(far)) == count


@pytest.mark.parametrize("bits", [8, 1024])
def test_ties_are_broken_at_random_and_every_tied_item_has_its_turn(bits: int) -> None:
    others = codes(1, bits, 0).repeat(20, 1)
    others[-5:] *= -1  # fifteen tie for nearest
    drawn = Counter(int(extremes(likeness(others[:1], others), generator(seed), 1)[0]) for seed in range(600))
    assert set(drawn) == set(range(15))
    assert max(abs(count - 40) for count in drawn.values()) < 5 * 40**0.5


def test_equal_seeds_give_equal_triplets_and_others_do_not() -> None:
    anchors, others = codes(30, 16, 0), codes(50, 16, 1)
    first, again, other = (triplets_of(likeness(anchors, others), generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.stack([first.positives, first.negatives]), torch.stack([again.positives, again.negatives]))
    assert first.positives.tolist() != other.positives.tolist()
    assert len(first) == 4 * 30, "with 16 bits and 50 others, something is always nearer"


def test_where_everything_ties_there_is_no_triplet() -> None:
    anchors, others = codes(6, 16, 0), codes(1, 16, 1).repeat(9, 1)
    assert len(triplets_of(likeness(anchors, others), generator())) == 0


def test_only_anchors_that_see_no_difference_go_without() -> None:
    others = torch.tensor([[1, 1, 1, 1], [-1, -1, 1, 1]], dtype=torch.int8)
    anchors = torch.tensor([[1, 1, 1, 1], [1, -1, 1, 1]], dtype=torch.int8)  # the second is one bit from both
    found = triplets_of(likeness(anchors, others), generator(), per_anchor=5)
    assert found.anchors.tolist() == [0] * 5
    assert found.positives.tolist() == [0] * 5
    assert found.negatives.tolist() == [1] * 5


def test_more_than_there_are_is_all_there_are() -> None:
    nearest, farthest = extremes(likeness(codes(3, 8, 0), codes(4, 8, 1)), generator(), 10)
    assert nearest.sort().values.tolist() == farthest.sort().values.tolist() == [[0, 1, 2, 3]] * 3
