"""Balls: projections, steepest ways and bytes, held against brute force and counted in whole grey levels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossattack.attacks._balls import Norm, ball_of_bags, ball_of_pictures, lengths, to_bytes

NORMS: tuple[Norm, ...] = ("linf", "l2")


def pictures(seed: int, items: int = 3, pixels: int = 8) -> Tensor:
    """Bytes as floats, with black and white among them."""
    levels = torch.randint(-40, 296, (items, 3, pixels, pixels), generator=torch.Generator().manual_seed(seed)).clamp(0, 255)
    return levels.float() / 255


def anywhere(seed: int, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)) + 0.5


def levels_away(sent: Tensor, clean: Tensor, norm: Norm) -> Tensor:
    """How far bytes are from the clean ones, in exact whole numbers: grey levels, or the square of an L2 length of them."""
    change = (sent.long() - (clean * 255).round().long()).flatten(1)
    return change.abs().amax(1) if norm == "linf" else change.square().sum(1)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NORMS), st.floats(0, 1), st.integers(0, 10_000))
def test_bytes_never_leave_the_ball(norm: Norm, eps: float, seed: int) -> None:
    clean, eps = pictures(seed), eps if norm == "linf" else 4 * eps
    ball = ball_of_pictures(clean, eps, norm)
    for point in (anywhere(seed, clean), clean + 2 * eps * ball.downhill(anywhere(seed, clean)), clean):
        away = levels_away(to_bytes(ball.project(point), ball), clean, norm)
        assert (away <= (int(eps * 255 + 1e-6) if norm == "linf" else (eps * 255) ** 2 * (1 + 1e-5))).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_ball_of_no_radius_gives_the_clean_bytes_back(norm: Norm) -> None:
    clean = pictures(0)
    ball = ball_of_pictures(clean, 0.0, norm)
    for point in (clean, ball.project(anywhere(1, clean)), ball.anywhere(torch.rand_like(clean))):
        assert torch.equal(to_bytes(point, ball), (clean * 255).round().to(torch.uint8))


def test_every_byte_survives_the_way_to_floats_and_back() -> None:
    clean = torch.arange(256).reshape(1, 1, 16, 16).expand(1, 3, 16, 16).float() / 255
    for norm in NORMS:
        assert torch.equal(to_bytes(clean, ball_of_pictures(clean, 0.1, norm))[0, 0].flatten(), torch.arange(256, dtype=torch.uint8))


def test_a_radius_between_two_grey_levels_reaches_the_lower() -> None:
    clean = torch.full((1, 3, 4, 4), 128 / 255)
    for eps, reach in ((8 / 255, 8), (8.9 / 255, 8), (0.5 / 255, 0), (0.03, 7)):
        ball = ball_of_pictures(clean, eps, "linf")
        assert int(to_bytes(ball.project(clean + 1), ball).max()) == 128 + reach


@pytest.mark.parametrize("eps", [0.5, 2.0, 8.0])
def test_bytes_in_an_l2_ball_lie_within_a_level_a_value_of_what_was_found(eps: float) -> None:
    """Half a level by rounding, and as much again by drawing back."""
    clean = torch.full((4, 3, 16, 16), 0.5).mul(255).round() / 255
    ball = ball_of_pictures(clean, eps, "l2")
    found = ball.project(clean + eps * ball.downhill(anywhere(3, clean)))
    sent = to_bytes(found, ball).float() / 255
    lost, dimensions = lengths(sent - found).flatten(), found[0].numel()
    assert (lengths(sent - clean) <= eps * (1 + 1e-5)).all()
    assert (lost <= 2 * 0.5 / 255 * dimensions**0.5).all()
    if eps >= 2:  # a level and more a value
        assert (lengths(sent - clean) > 0.95 * lengths(found - clean)).all()


@settings(deadline=None, max_examples=40)
@given(st.floats(0.01, 0.5), st.integers(0, 10_000))
def test_the_projection_of_a_box_is_its_nearest_point(eps: float, seed: int) -> None:
    clean = pictures(seed)
    ball = ball_of_pictures(clean, eps, "linf")
    point = anywhere(seed + 1, clean)
    nearest = ball.project(point)
    assert (nearest >= ball.low).all()
    assert (nearest <= ball.high).all()
    for draw in range(3):  # no other point inside is nearer
        other = ball.anywhere(torch.rand(clean.shape, generator=torch.Generator().manual_seed(draw)))
        assert (lengths(point - nearest) <= lengths(point - other) + 1e-6).all()
    assert torch.equal(ball.project(nearest), nearest)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.01, 4), st.integers(0, 10_000))
def test_a_point_outside_an_l2_ball_is_drawn_back_along_its_way(eps: float, seed: int) -> None:
    clean = pictures(seed) * 0.2 + 0.4  # far from black and white
    ball = ball_of_pictures(clean, eps, "l2")
    way = ball.downhill(anywhere(seed + 1, clean))
    for length, reached in ((0.5 * eps, 0.5 * eps), (eps, eps), (1.5 * eps, eps)):
        assert torch.allclose(ball.project(clean + length * way), (clean + reached * way).clamp(0, 1), atol=1e-5)


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-25, 1e-34])
def test_the_steepest_way_is_whole_however_small_the_slope(size: float) -> None:
    clean = pictures(0)
    slope = anywhere(0, clean)
    for norm in NORMS:
        ball = ball_of_pictures(clean, 0.1, norm)
        assert torch.allclose(ball.downhill(slope * size), ball.downhill(slope), atol=1e-5)
        assert not ball.downhill(torch.zeros_like(slope)).any()
    length = lengths(ball_of_pictures(clean, 0.1, "l2").downhill(slope * size))
    assert torch.allclose(length, torch.ones_like(length), atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_no_way_of_the_same_length_is_steeper(norm: Norm) -> None:
    clean = pictures(0)
    slope, ball = anywhere(0, clean), ball_of_pictures(clean, 0.1, norm)
    fall = -(slope * ball.downhill(slope)).flatten(1).sum(1)
    assert torch.allclose(fall, slope.flatten(1).norm(p=1 if norm == "linf" else 2, dim=1), rtol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_random_start_is_inside_and_fills_the_ball(norm: Norm) -> None:
    clean = torch.full((2, 3, 16, 16), 0.5)
    ball = ball_of_pictures(clean, 0.2, norm)
    start = ball.anywhere(torch.rand(clean.shape, generator=torch.Generator().manual_seed(0))) - clean
    if norm == "linf":
        assert 0.99 * ball.eps < start.abs().max() <= ball.eps + 1e-6
        assert start.abs().mean() == pytest.approx(ball.eps / 2, rel=0.05)
    else:
        assert torch.allclose(lengths(start), torch.full((2, 1, 1, 1), 0.2), atol=1e-5)


def test_weights_of_bags_stay_between_none_and_one() -> None:
    clean = torch.tensor([[0.0, 1.0, 0.5]])
    assert torch.allclose(ball_of_bags(clean, 0.1).project(clean + 1), torch.tensor([[0.1, 1.0, 0.6]]))
    assert torch.allclose(ball_of_bags(clean, 0.1).project(clean - 1), torch.tensor([[0.0, 0.9, 0.4]]))
