"""The least visible change that makes pictures leave, each under a weight of its own, all of a batch together."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossattack.attacks._balls import Ball
from crossattack.attacks._leaving import Leaving
from crossattack.attacks._perception import Pixels, Visibility


@dataclass(frozen=True)
class Search:
    """What is looked for: pictures of the ball, as bytes, that `leaving` says are gone, as little visible as can be."""

    outputs: Callable[[Tensor], Float[Tensor, "items dim"]]
    leaving: Leaving
    visibility: Visibility
    ball: Ball


class Best:
    """The best picture of each item so far: gone before not gone, then the least visible, or what missed least."""

    def __init__(self, search: Search) -> None:
        clean = search.ball.clean
        self.pictures = clean.clone()
        self.gone = torch.zeros(len(clean), dtype=torch.bool, device=clean.device)
        self.rank = torch.full((len(clean),), inf, dtype=clean.dtype, device=clean.device)

    def offer(
        self, pictures: Tensor, gone: Bool[Tensor, " items"], visible: Float[Tensor, " items"], missing: Float[Tensor, " items"]
    ) -> None:
        """Keep those that are better than what is there."""
        rank = torch.where(gone, visible, missing)
        better = (gone & ~self.gone) | ((gone == self.gone) & (rank < self.rank))
        self.pictures = torch.where(better[:, None, None, None], pictures, self.pictures)
        self.rank, self.gone = torch.where(better, rank, self.rank), self.gone | gone


def least_seen(search: Search, start: Pixels, *, weight: float, searches: int, steps: int, lr: float) -> Pixels:
    """The best pictures of `searches` descents of `steps` steps of Adam, for weights that close in on the heaviest that succeeds.

    start: the change that each of them begins with.
    """
    best = Best(search)
    weights = torch.full_like(best.rank, weight)
    light, heavy = torch.zeros_like(weights), torch.full_like(weights, inf)  # the heaviest that succeeded, the lightest that failed
    for _ in range(searches):
        gone = _descend(search, best, weights, start, steps, lr)
        light, heavy = torch.where(gone, weights, light), torch.where(gone, heavy, weights)
        weights = torch.where(light == 0, weights / 10, torch.where(heavy.isinf(), weights * 10, (light * heavy).sqrt()))
    return best.pictures


def _descend(search: Search, best: Best, weights: Float[Tensor, " items"], start: Pixels, steps: int, lr: float) -> Bool[Tensor, " items"]:
    """Offer all pictures on the way to `best`; whether any of each item's was gone."""
    ball, change = search.ball, start.clone().requires_grad_()
    optimiser = torch.optim.Adam([change], lr=lr)
    ever = torch.zeros_like(best.gone)
    for _ in range(steps):
        point = (ball.clean + change).clamp(ball.low, ball.high)
        held = point + ((point * 255).round() / 255 - point).detach()  # bytes, with the slope of the point
        outputs = search.outputs(held)
        missing, visible = search.leaving.missing(outputs), search.visibility(held)
        with torch.no_grad():
            gone = search.leaving.gone(outputs)
            best.offer(held.detach(), gone, visible, missing)
            ever |= gone
        (change.grad,) = torch.autograd.grad((missing + weights * visible).sum(), change)
        optimiser.step()
    return ever
