"""Balls: how far an attacked item may go, and which of its points a file can hold.

An item lives in [0, 1] and at most `eps` from where it was, by L-infinity or by L2, the latter over all of its values.
Pictures are bytes: inside an L-infinity ball the bounds are whole grey levels, so that rounding never leaves it; a point of an
L2 ball is rounded, and drawn back until what is rounded is inside.
"""

from dataclasses import dataclass
from math import floor
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Norm: TypeAlias = Literal["linf", "l2"]
HALVINGS = 24  # of the share of a change that is kept by rounding
SMALLEST = 1e-37  # of a slope's values: next to the smallest that single precision holds in full


@dataclass(frozen=True)
class Ball:
    """All points at most `eps` from `clean`, (items, ...), within `low` and `high`."""

    clean: Tensor
    low: Tensor
    high: Tensor
    eps: float
    norm: Norm

    def project(self, point: Float[Tensor, "items ..."]) -> Float[Tensor, "items ..."]:
        """The nearest point inside; of an L2 ball, the one that is reached by drawing back first and clipping then."""
        if self.norm == "l2":
            change = point - self.clean
            point = self.clean + change * (self.eps / lengths(change).clamp(min=1e-12)).clamp(max=1)
        return point.clamp(self.low, self.high)

    def anywhere(self, draws: Float[Tensor, "items ..."]) -> Float[Tensor, "items ..."]:
        """A point inside made of uniform draws from [0, 1]: each value on its own, or a direction and the whole length."""
        change = (2 * draws - 1) * self.eps
        if self.norm == "l2":
            change = (draws - 0.5) * (self.eps / lengths(draws - 0.5).clamp(min=1e-12))
        return self.project(self.clean + change)

    def downhill(self, slope: Float[Tensor, "items ..."]) -> Float[Tensor, "items ..."]:
        """The steepest way of length one against a slope: its signs, or the slope itself at length one; zero where it is zero."""
        if self.norm == "linf":
            return -slope.sign()
        steep = slope / slope.abs().amax(tuple(range(1, slope.ndim)), keepdim=True).clamp(min=SMALLEST)
        return -steep / lengths(steep).clamp(min=1e-12)  # by its largest value first: squares of small ones vanish


def ball_of_pictures(clean: Float[Tensor, "items 3 height width"], eps: float, norm: Norm) -> Ball:
    """Pictures within eps, pixels in [0, 1]. Of L-infinity, only whole grey levels count."""
    if norm == "l2":
        return Ball(clean, torch.zeros_like(clean), torch.ones_like(clean), eps, norm)
    reach, levels = floor(eps * 255 + 1e-6), (clean * 255).round()
    return Ball(clean, (levels - reach).clamp(min=0) / 255, (levels + reach).clamp(max=255) / 255, reach / 255, norm)


def ball_of_bags(clean: Float[Tensor, "items words"], eps: float) -> Ball:
    """Bags of words each of whose weights moves by at most eps and stays in [0, 1]."""
    return Ball(clean, (clean - eps).clamp(min=0), (clean + eps).clamp(max=1), eps, "linf")


def to_bytes(found: Float[Tensor, "items 3 height width"], ball: Ball) -> UInt8[Tensor, "items 3 height width"]:
    """The pictures that a file holds, inside the ball after rounding."""
    if ball.norm == "linf":
        return (found * 255).round().to(torch.uint8).contiguous().cpu()
    before = (ball.clean * 255).round()
    change, reach = found * 255 - before, ball.eps * 255 * (1 + 1e-6)
    inside, share = torch.zeros(len(found), device=found.device), torch.ones(len(found), device=found.device)
    for step in range(HALVINGS):  # the largest share of the change that is inside once rounded
        fits = lengths(_rounded(change, share)).flatten() <= reach
        inside = torch.where(fits, share, inside)
        share = (share + 0.5**step * torch.where(fits, 0.5, -0.5)).clamp(max=1)
    return (before + _rounded(change, inside)).clamp(0, 255).to(torch.uint8).contiguous().cpu()


def lengths(values: Float[Tensor, "items ..."]) -> Float[Tensor, "items ..."]:
    """The Euclidean length of each item, in a shape that divides it."""
    found: Tensor = torch.linalg.vector_norm(values, dim=tuple(range(1, values.ndim)), keepdim=True)
    return found


def _rounded(change: Float[Tensor, "items 3 height width"], share: Float[Tensor, " items"]) -> Float[Tensor, "items 3 height width"]:
    return (change * share[:, None, None, None]).round()
