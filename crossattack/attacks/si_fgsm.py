"""The iterative method over scales of brightness."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class SiFgsm(Strides):
    """Nesterov momentum along the mean slope of the picture at 1, 1/2, 1/4, ... of its brightness.

    A network's codes hardly change with brightness, so the copies act as further networks. Texts have no brightness: there it is
    `ni_fgsm`.

    Differs from the paper: an objective of retrieval takes the place of a class loss. A public copy divides the picture again and
    again (1, 1/2, 1/8, 1/64); here the i-th is 1/2^i.

    Paper: Lin, Song, He, Wang, Hopcroft, "Nesterov Accelerated Gradient and Scale Invariance for Adversarial Attacks",
    ICLR 2020.
    """

    decay: Annotated[float, Field(ge=0)] = 1.0
    scales: Annotated[int, Field(ge=1, le=10)] = 5

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, nesterov=True, scales=self.scales)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
