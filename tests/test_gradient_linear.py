"""The gradient attacks in a linear hashing world, where the cheapest change of every bit is known in closed form."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from linear_hashing import LinearWorld, linear_world, one_bit, seen
from torch import Tensor

from crossattack.attacks import Attack
from crossattack.attacks._balls import Norm, ball_of_pictures, to_bytes
from crossattack.attacks._moves import Moves, descend
from crossattack.objectives import Loss
from crossattack.registry import ATTACKS, OBJECTIVES

NORMS: tuple[Norm, ...] = ("linf", "l2")
HALVINGS = 10


def descents() -> list[Any]:
    """Every registered attack that is a descent of moves, and one of all moves at once."""
    attacks = [ATTACKS.load(name) for name in ATTACKS.names() if hasattr(ATTACKS.load(name), "moves")]
    everything = ATTACKS.load("gradient")(diversity=0.5, kernel=3, scales=2, decay=1.0, nesterov=True, neighbours=1, start="uniform")
    return [pytest.param(attack(), id=attack.__name__) for attack in attacks] + [pytest.param(everything, id="Everything")]


def bends(moves: Moves) -> bool:
    """Whether the slope followed is another than that of the picture itself."""
    return moves.diversity > 0 or moves.affine > 0 or moves.sizes != (1.0,) or moves.kernel > 1


def draws(items: int) -> Callable[[tuple[int, ...]], Tensor]:
    generator = torch.Generator().manual_seed(0)
    return lambda shape: torch.rand(items, *shape, generator=generator, dtype=torch.float64)


def changed(world: LinearWorld, attack: Any, loss: Loss, eps: float, norm: Norm) -> Tensor:
    """The pictures after this attack's descent, before they are rounded."""
    steps = getattr(attack, "steps", 1)
    alpha = eps / 4 if steps > 1 else eps
    value = lambda images: loss(world.encode_images(images))  # noqa: E731
    return descend(value, world.ball(eps, norm), attack.moves, draws(len(world.images)), alpha=alpha, steps=steps)


def least_eps_found(world: LinearWorld, attack: Any, norm: Norm) -> tuple[Tensor, Tensor]:
    """For each picture the least radius at which its cheapest bit turns, by bisection, and the least there is."""
    _, least = one_bit(world, norm)
    found = []
    for item, known in enumerate(least.tolist()):
        alone = replace(world, images=world.images[item : item + 1])
        loss, _ = one_bit(alone, norm)
        low, high = 0.0, 4 * known
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            turned = bool(loss(alone.encode_images(changed(alone, attack, loss, middle, norm))) < 0)
            low, high = (low, middle) if turned else (middle, high)
        found.append(high)
    return torch.tensor(found, dtype=torch.float64), least


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", descents())
def test_the_cheapest_bit_turns_at_hardly_more_than_the_least_radius_there_is(attack: Attack, norm: Norm) -> None:
    world = linear_world(items=2)
    assert world.least_eps(norm).min(1).values.max() < (0.05 if norm == "linf" else 0.5)  # nothing is clipped within [0.3, 0.7]
    found, least = least_eps_found(world, attack, norm)
    ratios = found / least
    assert ratios.min() >= 1 - 1e-9  # nobody beats the closed form
    assert ratios.max() <= (1.25 if bends(attack.moves) else 1.0 + 4 / 2**HALVINGS + 1e-9), ratios


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", descents())
def test_a_whole_code_is_left_as_far_as_the_closed_form_allows(attack: Attack, norm: Norm) -> None:
    world, eps = linear_world(sharpness=1e-4), 0.05 if norm == "linf" else 0.5
    view = seen(world)
    loss = OBJECTIVES.load("own")().of(view)
    pull = torch.where(view.own >= 0, 1.0, -1.0).double() * world.sharpness / len(world.weights)
    best = world.best_drop(pull, eps, norm)
    drop = loss(view.own) - loss(world.encode_images(changed(world, attack, loss, eps, norm)))
    assert (drop / best).max() <= 1 + 1e-6
    assert (drop / best).min() >= (0.7 if bends(attack.moves) else 0.999), drop / best


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", [name for name in OBJECTIVES.names() if not OBJECTIVES.load(name).flat_start])
def test_every_objective_falls_as_far_as_its_slope_allows(name: str, norm: Norm) -> None:
    """While no bit turns and tanh is straight, a loss falls by eps times the dual norm of its slope, and no further."""
    world = linear_world(sharpness=1e-4)
    eps, view = float(world.least_eps(norm).min()) / 2, seen(world)
    loss = OBJECTIVES.load(name)().of(view)
    relaxed = view.own.clone().requires_grad_()
    (pull,) = torch.autograd.grad(loss(relaxed).sum(), relaxed)
    best = world.best_drop(pull * world.sharpness, eps, norm)
    drop = loss(view.own) - loss(world.encode_images(changed(world, ATTACKS.load("pgd")(), loss, eps, norm)))
    assert torch.allclose(drop, best, rtol=1e-3), drop / best


@pytest.mark.parametrize("norm", NORMS)
def test_rounded_to_bytes_the_cheapest_bit_still_turns_within_a_quarter_more_and_a_grey_level(norm: Norm) -> None:
    world = linear_world(items=2)
    world = replace(world, images=(world.images * 255).round() / 255)
    for item in range(len(world.images)):
        alone = replace(world, images=world.images[item : item + 1])
        loss, least = one_bit(alone, norm)
        level = 1 / 255 if norm == "linf" else 0.29 / 255 * alone.images.numel() ** 0.5  # what rounding moves a picture by
        eps = 1.25 * float(least) + level
        ball = ball_of_pictures(alone.images, eps, norm)
        value = lambda images: loss(alone.encode_images(images))  # noqa: B023, E731 -- called at once
        sent = to_bytes(descend(value, ball, Moves(), draws(1), alpha=eps / 4, steps=20), ball)
        assert loss(alone.encode_images(sent.double() / 255)) < 0
        change = sent.double() / 255 - alone.images
        assert (change.abs().max() if norm == "linf" else change.norm()) <= eps * (1 + 1e-6)
