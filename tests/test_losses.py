"""Losses: naive loops, closed forms, and no overflow."""

import math

import pytest
import torch
from torch import Tensor

from crossattack.codes import hamming, harden, pack
from surrogates.losses import pairwise_likelihood, quantisation, relaxed_distance, triplet_margin


def relaxed(items: int, bits: int, seed: int) -> Tensor:
    return torch.tanh(torch.randn(items, bits, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


@pytest.mark.parametrize("bits", [1, 7, 64, 100])
def test_the_relaxed_distance_of_codes_is_hammings_share_of_bits(bits: int) -> None:
    first, second = harden(relaxed(6, bits, 0)), harden(relaxed(9, bits, 1))
    found = torch.stack([relaxed_distance(code.float().expand(9, bits), second.float()) for code in first])
    assert torch.allclose(found, torch.from_numpy(hamming(pack(first), pack(second)).astype("float32")) / bits, atol=1e-6)


def test_the_relaxed_distance_is_half_a_bit_where_nothing_is_known() -> None:
    assert relaxed_distance(torch.zeros(1, 8), torch.ones(1, 8)).item() == 0.5
    assert relaxed_distance(torch.full((1, 8), 0.5), torch.ones(1, 8)).item() == 0.25


def test_the_triplet_margin_is_the_mean_over_triplets() -> None:
    anchors, positives, negatives = (relaxed(20, 16, seed) for seed in (0, 1, 2))
    total = 0.0
    for anchor, positive, negative in zip(anchors.tolist(), positives.tolist(), negatives.tolist(), strict=True):
        near = (16 - sum(a * p for a, p in zip(anchor, positive, strict=True))) / 2 / 16
        far = (16 - sum(a * n for a, n in zip(anchor, negative, strict=True))) / 2 / 16
        total += max(0.0, 0.1 + near - far)
    assert triplet_margin(anchors, positives, negatives, 0.1).item() == pytest.approx(total / 20, abs=1e-12)


def test_a_triplet_that_is_far_enough_apart_has_no_slope() -> None:
    anchor = torch.full((1, 8), 0.9, requires_grad=True)
    loss = triplet_margin(anchor, torch.ones(1, 8), -torch.ones(1, 8), 0.5)
    loss.backward()
    assert loss.item() == 0
    assert anchor.grad is not None
    assert not anchor.grad.any()
    tied = triplet_margin(anchor, torch.ones(1, 8), torch.ones(1, 8), 0.5)
    assert tied.item() == pytest.approx(0.5)


def test_quantisation_is_the_mean_squared_distance() -> None:
    outputs, codes = relaxed(5, 6, 0), harden(relaxed(5, 6, 1)).double()
    naive = [(outputs[i, k].item() - codes[i, k].item()) ** 2 for i in range(5) for k in range(6)]
    assert quantisation(outputs, codes).item() == pytest.approx(sum(naive) / 30, abs=1e-12)


def test_the_pairwise_likelihood_is_the_papers_over_pairs() -> None:
    images, texts = 3 * relaxed(4, 8, 0), 3 * relaxed(5, 8, 1)
    relevant = torch.rand(4, 5, generator=torch.Generator().manual_seed(2)) < 0.4
    total = 0.0
    for i in range(4):
        for j in range(5):
            theta = sum(a * b for a, b in zip(images[i].tolist(), texts[j].tolist(), strict=True)) / 2
            total += math.log(1 + math.exp(theta)) - (theta if relevant[i, j] else 0.0)
    assert pairwise_likelihood(images, texts, relevant).item() == pytest.approx(total / 20, abs=1e-12)


@pytest.mark.parametrize(("theta", "relevant", "expected"), [(1e4, False, 1e4), (1e4, True, 0.0), (-1e4, False, 0.0), (-1e4, True, 1e4)])
def test_the_likelihood_does_not_overflow(theta: float, relevant: bool, expected: float) -> None:
    images = torch.tensor([[theta, 0.0]], requires_grad=True)
    loss = pairwise_likelihood(images, torch.tensor([[2.0, 0.0]]), torch.tensor([[relevant]]))
    loss.backward()
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad[0, 0].item() == pytest.approx(float(theta > 0) - float(relevant), abs=1e-6)
