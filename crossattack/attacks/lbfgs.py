"""L-BFGS: the least change that turns a quarter of the bits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed
from crossattack.attacks._balls import Ball
from crossattack.attacks._context import AttackContext
from crossattack.attacks._eyes import Eyes, open_eyes
from crossattack.attacks._fields import AnObjective, Eps, Norm, Radius, Share, Steps
from crossattack.attacks._ground import Ground, ground_of
from crossattack.attacks._least import Goal, goal_of_bits, goal_of_value, least_change, row_of_ball, row_of_view
from crossattack.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Lbfgs:
    """The smallest L2 change that reaches a goal, by L-BFGS in a box and a line search on the weight of the change.

        min over r   c |r|^2 + loss(h(x + r))        0 <= x + r <= 1

    for `searches` weights c; the shortest r that reaches the goal is drawn back until it is about to miss it, and rounded to bytes
    such that it still reaches it, where that is possible. The goal is that at least `share` of the bits turn, each to
    `confidence` or more, and the loss is what is missing of that in the bits that are nearest to turning. Or, with `objective`
    and `bound`, that the objective's value is at most `bound`; with `objective` alone, the bits by that objective's way. h is the
    target where it is granted, else a surrogate; what turns bits of a surrogate by a hair turns few of the target's, so give
    it confidence.

    eps caps the change (`linf`: each value, `eps: 1` is no cap; `l2`: its length, by drawing back). Where the goal is out of
    reach, what came nearest is kept. One item at a time, about twice `searches` x `steps` passes each: slower than everything else here.

    Differs from the paper: the goal is one of codes rather than a class; the largest c that succeeds is found by bisection; the
    squared length is penalised; the result is drawn back and rounded; the cap. Texts: weights of a bag of words.

    Paper: Szegedy, Zaremba, Sutskever, Bruna, Erhan, Goodfellow, Fergus, "Intriguing properties of neural networks", ICLR 2014.
    """

    family: ClassVar[Family] = "classic"
    needs: ClassVar[Needs] = Needs(gradients=True)
    objective: AnObjective = None
    bound: float | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 0.25
    confidence: Share = 0.0
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    text_eps: Eps = 0.1
    weight: Annotated[float, Field(gt=0)] = 1.0
    searches: Annotated[int, Field(ge=1)] = 5
    steps: Steps = 10

    def __post_init__(self) -> None:
        if self.bound is not None and self.objective is None:
            raise UsageError(
                f"an objective wanted whose value is to be at most {self.bound:g}, none got; set `objective`, or leave `bound` out."
            )

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        if context.has_features and (self.objective is None or self.bound is None):
            raise UsageError(
                "bits to turn wanted by lbfgs, a target of features got; give `attack.objective` and `attack.bound`, or use mnd."
            )
        eyes = open_eyes(context)

        def perturb(items: Items) -> Perturbed:
            ground = ground_of(items, eyes.encoder, context.device, eps=self.eps, norm=self.norm, text_eps=self.text_eps)
            found = []
            with context.progress.stage("least changes", len(items.ids)) as tick:
                for ball, goal in self._goals(ground, eyes, items):
                    found.append(self._least(ground, ball, goal))
                    tick(1, "")
            return ground.land(torch.cat(found))

        return perturb

    def _goals(self, ground: Ground, eyes: Eyes, items: Items) -> Iterator[tuple[Ball, Goal]]:
        """The ball and the goal of each item."""
        view = eyes.look(items) if self.objective else None
        for row in range(len(items.ids)):
            ball = row_of_ball(ground.ball, row)
            loss = view and self.objective.of(row_of_view(view, row))
            if loss and self.bound is not None:
                yield ball, goal_of_value(loss, self.bound)
                continue
            goal = goal_of_bits(ground.relaxed, ball.clean, self.share, self.confidence)
            yield ball, replace(goal, loss=loss) if loss else goal

    def _least(self, ground: Ground, ball: Ball, goal: Goal) -> Tensor:
        def held(points: Tensor) -> Tensor:
            one = ball.clean.expand_as(points)
            return ground.held(points, replace(ball, clean=one))

        return least_change(ground.relaxed, goal, ball, held, weight=self.weight, searches=self.searches, steps=self.steps)
