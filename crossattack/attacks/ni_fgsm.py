"""The iterative method with Nesterov momentum."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class NiFgsm(Strides):
    """Momentum whose slope is taken a step ahead, where the running sum is about to lead.

    A look ahead corrects the sum before the mistake is made, and overfits the surrogate less.

    Differs from the paper: an objective of retrieval takes the place of a class loss.

    Paper: Lin, Song, He, Wang, Hopcroft, "Nesterov Accelerated Gradient and Scale Invariance for Adversarial Attacks",
    ICLR 2020.
    """

    decay: Annotated[float, Field(ge=0)] = 1.0

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, nesterov=True)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
