"""Distances: what they are of vectors whose distance is known."""

import math

import pytest
import torch

from crossattack.attacks._distances import distance_of
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError

COMPARABLE = [Similarity.HAMMING, Similarity.COSINE, Similarity.EUCLIDEAN]


def test_of_hard_codes_it_is_the_share_of_bits_that_differ() -> None:
    first = torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -1])
    for bits in range(9):
        other = first.clone()
        other[:bits] *= -1
        assert float(distance_of(Similarity.HAMMING)(first, other)) == pytest.approx(bits / 8)


@pytest.mark.parametrize("degrees", [0, 30, 90, 120, 180])
def test_of_vectors_at_an_angle_it_is_the_haversine_of_it_at_any_length(degrees: int) -> None:
    angle = math.radians(degrees)
    other = 7.0 * torch.tensor([math.cos(angle), math.sin(angle)])
    assert float(distance_of(Similarity.COSINE)(torch.tensor([3.0, 0.0]), other)) == pytest.approx(math.sin(angle / 2) ** 2, abs=1e-6)


def test_the_euclidean_one_is_pythagoras() -> None:
    assert float(distance_of(Similarity.EUCLIDEAN)(torch.zeros(2), torch.tensor([3.0, 4.0]))) == pytest.approx(5.0)


@pytest.mark.parametrize("similarity", COMPARABLE)
def test_axes_before_the_last_broadcast(similarity: Similarity) -> None:
    generator, distance = torch.Generator().manual_seed(0), distance_of(similarity)
    first, second = (torch.rand(count, 6, generator=generator) * 2 - 1 for count in (3, 4))
    loops = [[float(distance(one, other)) for other in second] for one in first]
    assert torch.allclose(distance(first[:, None], second[None]), torch.tensor(loops), atol=1e-6)


@pytest.mark.parametrize("similarity", COMPARABLE)
def test_equal_vectors_have_a_slope_that_is_a_number(similarity: Similarity) -> None:
    fixed = torch.tensor([0.5, -0.25, 1.0])
    moved = fixed.clone().requires_grad_()
    (slope,) = torch.autograd.grad(distance_of(similarity)(fixed, moved), moved)
    assert slope.isfinite().all()


def test_scores_are_no_place_where_things_lie_near_or_far() -> None:
    with pytest.raises(UsageError, match=r"one of hamming, cosine, euclidean wanted, scores got; choose another target"):
        distance_of(Similarity.SCORES)
