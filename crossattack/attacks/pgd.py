"""Projected gradient descent."""

from dataclasses import dataclass
from typing import Literal

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class Pgd(Strides):
    """Projected gradient descent: small steps down the slope, each brought back into the ball.

    Through a surrogate it is a black-box attack; where the target is granted it is a white-box one. The
    start is the clean item, or anywhere in the ball (`start: uniform`).

    Differs from the paper: an objective of retrieval takes the place of a class loss; no random start unless asked for, as
    the objectives of hashing have a slope at the clean item.

    Paper: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks",
    ICLR 2018.
    """

    start: Literal["clean", "uniform"] = "clean"

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(start=self.start)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
