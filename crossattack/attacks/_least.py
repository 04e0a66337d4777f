"""The least change that reaches a goal: box-constrained L-BFGS under a search for the heaviest weight on the change."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, sqrt

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from torch import Tensor

from crossattack.attacks._balls import Ball, lengths
from crossattack.codes import harden
from crossattack.objectives import Known, Loss, View, signs

ROOM = 0.02  # by how much a bit is pushed past where it counts as turned; drawing back takes most of it away again
SHARES = (*np.linspace(0, 2, 65), *np.geomspace(2.3, 8, 8))  # of a change: less of it, or more where rounding undid it

Relaxed = Callable[[Float[Tensor, "points ..."]], Float[Tensor, "points bits"]]


@dataclass(frozen=True)
class Goal:
    """What one item's change is for: a loss that leads there, and whether some relaxed codes are there."""

    loss: Loss
    reached: Callable[[Float[Tensor, "points bits"]], Bool[Tensor, " points"]]


def goal_of_bits(relaxed: Relaxed, clean: Float[Tensor, "1 ..."], share: float, confidence: float) -> Goal:
    """At least this share of the bits turned, each to `confidence` or more; the loss pushes those that are nearest to turning.

    It is squared: a hinge has a kink just where the search wants to stop, which costs L-BFGS four times the passes.
    """
    with torch.no_grad():
        before = relaxed(clean)
    count = max(1, ceil(share * before.shape[1] - 1e-9))
    nearest, own = nearest_bits(relaxed, clean, count), signs(before)

    def loss(codes: Float[Tensor, "points bits"]) -> Float[Tensor, " points"]:
        return (codes * own + confidence + ROOM)[:, nearest].clamp(min=0).square().mean(1)

    def reached(codes: Float[Tensor, "points bits"]) -> Bool[Tensor, " points"]:
        found: Tensor = ((harden(codes) != harden(before)) & (codes.abs() >= confidence)).sum(1) >= count
        return found

    return Goal(loss, reached)


def goal_of_value(loss: Loss, bound: float) -> Goal:
    """A loss of at most `bound`."""
    return Goal(loss, lambda codes: torch.cat([loss(code[None]) for code in codes]) <= bound)


def nearest_bits(relaxed: Relaxed, clean: Float[Tensor, "1 ..."], count: int) -> Int64[Tensor, " count"]:
    """The bits that the least L2 change turns, to first order: |h_k| over the length of its slope."""
    with torch.no_grad():
        bits = relaxed(clean).shape[1]
    points = clean.repeat(bits, *[1] * (clean.ndim - 1)).requires_grad_()
    codes = relaxed(points).diagonal()
    (slopes,) = torch.autograd.grad(codes.sum(), points)
    return (codes.detach().abs() / lengths(slopes).flatten().clamp(min=1e-30)).topk(count, largest=False).indices


def least_change(
    relaxed: Relaxed, goal: Goal, ball: Ball, held: Callable[[Tensor], Tensor], *, weight: float, searches: int, steps: int
) -> Float[Tensor, "1 ..."]:
    """The point of one item's ball that reaches the goal, as a file holds it, at the least L2 change that was found.

    Minimises c |r|^2 + loss(x + r) within [0, 1] for `searches` weights c, from `weight` on: ten times as much after a success
    and a tenth after a failure until both are known, then between them. Where nothing reaches the goal, the point of least loss.
    """
    best, shortest, lowest = ball.clean, inf, inf
    heavy, light = None, None  # the lightest weight known to fail, the heaviest known to succeed
    for _ in range(searches):
        point = ball.project(penalised(relaxed, goal.loss, ball, weight, steps))
        with torch.no_grad():
            codes = relaxed(point)
        length, value = float((point - ball.clean).norm()), float(goal.loss(codes)[0])
        if bool(goal.reached(codes)[0]):
            light = weight
            if length < shortest:
                best, shortest = point, length
        else:
            heavy = weight
            if shortest == inf and value < lowest:
                best, lowest = point, value
        weight = sqrt(light * heavy) if light and heavy else (weight * 10 if light else weight / 10)
    return drawn_back(relaxed, goal, ball, held, best)


def penalised(relaxed: Relaxed, loss: Loss, ball: Ball, weight: float, steps: int) -> Float[Tensor, "1 ..."]:
    """The minimum of weight |r|^2 + loss(x + r) in the item's box, by `steps` iterations of L-BFGS-B from the clean item."""
    start, low, high = (part.double().flatten().cpu().numpy() for part in (ball.clean, ball.low, ball.high))

    def as_point(flat: NDArray[np.float64]) -> Tensor:
        return torch.tensor(flat, dtype=ball.clean.dtype, device=ball.clean.device).reshape(ball.clean.shape)

    def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        point = as_point(flat).requires_grad_()
        found = loss(relaxed(point)).sum()
        (slope,) = torch.autograd.grad(found, point)
        change = flat - start
        return weight * float(change @ change) + found.item(), 2 * weight * change + slope.double().flatten().cpu().numpy()

    found = minimize(value, start, jac=True, method="L-BFGS-B", bounds=Bounds(low, high), options={"maxiter": steps, "maxls": 10})
    return as_point(found.x)


def drawn_back(relaxed: Relaxed, goal: Goal, ball: Ball, held: Callable[[Tensor], Tensor], point: Float[Tensor, "1 ..."]) -> Tensor:
    """The nearest point on the way through this one that reaches the goal as a file holds it; else the one of least loss."""
    points = held(torch.cat([ball.project(ball.clean + share * (point - ball.clean)) for share in SHARES]))
    with torch.no_grad():
        codes = relaxed(points)
        reached = torch.nonzero(goal.reached(codes)).flatten().tolist()
        best = reached[0] if reached else int(torch.cat([goal.loss(code[None]) for code in codes]).argmin())
    return points[best : best + 1]


def row_of_ball(ball: Ball, row: int) -> Ball:
    """The ball of one item."""
    here = slice(row, row + 1)
    return Ball(ball.clean[here], ball.low[here], ball.high[here], ball.eps, ball.norm)


def row_of_view(view: View, row: int) -> View:
    """What is known about one item."""
    here = slice(row, row + 1)
    other, same = (
        Known(known.codes, known.relevant[here], known.irrelevant[here], known.wanted[here], known.drawn[here])
        for known in (view.other, view.same)
    )
    return View(view.own[here], other, same, view.chosen, view.bits)
