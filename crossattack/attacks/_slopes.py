"""Slopes from answers alone: what a descent by queries follows where no gradient is granted."""

from collections.abc import Generator

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from crossattack.attacks._probing import Probes, Subject


def estimated_slope(
    changes: Float64[Tensor, " probes"], moves: Float[Tensor, "probes 3 height width"]
) -> Float[Tensor, "1 3 height width"]:
    """The mean of each change of the score times the move that made it, over the mean square of the moves' values.

    For a linear score and moves whose values are independent, of mean zero and of one size, its expectation is the gradient,
    in score a unit of pixel; moves are those that bytes and the ball allowed, so that rounding and walls bias nothing.
    """
    weighted = changes.to(moves.dtype)[:, None, None, None] * moves
    return weighted.mean(0, keepdim=True) / moves.square().mean().clamp(min=1e-12)


def slope_between(
    subject: Subject, point: Float[Tensor, "1 3 height width"], draws: Float[Tensor, "pairs 3 height width"]
) -> Generator[Probes, Float64[Tensor, " probes"], Float[Tensor, "1 3 height width"]]:
    """The slope at a point from probes on either side of it, in pairs. The point itself is asked about too, as a candidate."""
    here, up, down = (subject.inside(each) for each in (point, point + draws, point - draws))
    scores = yield torch.cat([here, up, down])
    above, below = scores[1:].chunk(2)
    return estimated_slope((above - below) / 2, way(down, up) / 2)


def way(
    before: UInt8[Tensor, "probes 3 height width"], after: UInt8[Tensor, "probes 3 height width"]
) -> Float[Tensor, "probes 3 height width"]:
    """From one picture to another, in pixels of [0, 1]."""
    return (after.float() - before.float()) / 255
