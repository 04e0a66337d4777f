"""The visibility of a change: its three parts in closed form, and what it takes for less visible."""

import pytest
import torch
from torch import Tensor

from crossattack.attacks._perception import Perception
from crossattack.metrics.structure import ssim

NONE = {"magnitude": 0.0, "structure": 0.0, "gradient": 0.0}


def grey(level: int = 127, pixels: int = 16) -> Tensor:
    return torch.full((1, 3, pixels, pixels), level / 255, dtype=torch.float64)


def value(clean: Tensor, changed: Tensor, **weights: float) -> float:
    return Perception(**{**NONE, **weights}).of(clean)(changed).item()


def test_no_change_is_not_visible() -> None:
    assert value(grey(), grey(), magnitude=3.0, structure=3.0, gradient=3.0) == pytest.approx(0, abs=1e-12)


def test_magnitude_is_the_mean_square() -> None:
    assert value(grey(), grey() + 0.1, magnitude=2.0) == pytest.approx(2 * 0.01)


def test_structure_is_what_is_lost_of_ssim() -> None:
    clean = torch.randint(0, 256, (1, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    changed = clean.flip(3)
    assert value(clean.double() / 255, changed.double() / 255, structure=1.0) == pytest.approx(1 - ssim(clean, changed).item())


def test_gradient_counts_edges_against_what_the_ground_hides() -> None:
    """One pixel of one colour on mid-grey, which hides 3 levels: it draws two edges down and two across."""
    changed = grey()
    changed[0, 0, 8, 8] += 6 / 255
    assert value(grey(), changed, gradient=1.0) == pytest.approx((2 + 2) * (6 / 3) / (3 * 15 * 16) / 2)
    assert value(grey(), grey() + 6 / 255, gradient=1.0) == pytest.approx(0, abs=1e-12)


def test_the_same_change_shows_less_on_an_edge_than_on_flat_ground() -> None:
    clean = grey(60, 24)
    clean[:, :, :, 12:] = 200 / 255
    on_edge, on_ground = clean.clone(), clean.clone()
    on_edge[0, :, 12, 11] += 5 / 255
    on_ground[0, :, 12, 4] += 5 / 255
    for weights in ({"gradient": 1.0}, {"structure": 1.0}):
        assert value(clean, on_edge, **weights) < 0.75 * value(clean, on_ground, **weights)


def test_pictures_below_the_window_of_ssim_are_judged_by_the_rest() -> None:
    small = grey(127, 8)
    assert value(small, small + 0.1, magnitude=1.0, structure=1.0) == pytest.approx(0.01)


def test_each_picture_is_judged_on_its_own() -> None:
    clean = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    changed = (clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).clamp(0, 1)
    perception = Perception(magnitude=1.0, structure=1.0, gradient=1.0)
    alone = [perception.of(clean[row : row + 1])(changed[row : row + 1]).item() for row in range(3)]
    assert perception.of(clean)(changed).tolist() == pytest.approx(alone)
