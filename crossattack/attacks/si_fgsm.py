"""The iterative method over scales of brightness."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import AnObjective, Eps, Norm, Radius, Steps
from crossattack.attacks._gradient import follow
from crossattack.attacks._moves import Moves
from crossattack.objectives.triplet import TRIPLET


@dataclass(frozen=True, kw_only=True)
class SiFgsm:
    """Nesterov momentum along the mean slope of the picture at 1, 1/2, 1/4, ... of its brightness.

    A network's codes hardly change with brightness, so the copies act as further networks. Texts have no brightness: there it is
    `ni_fgsm`.

    Differs from the paper: an objective of retrieval takes the place of a class loss. A public copy divides the picture again and
    again (1, 1/2, 1/8, 1/64); here the i-th is 1/2^i.

    Paper: Lin, Song, He, Wang, Hopcroft, "Nesterov Accelerated Gradient and Scale Invariance for Adversarial Attacks",
    ICLR 2020.
    """

    family: ClassVar[Family] = "gradient"
    needs: ClassVar[Needs] = Needs(gradients=True)
    objective: AnObjective = TRIPLET
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    alpha: Radius | None = None  # a quarter of eps
    steps: Steps = 20
    text_eps: Eps = 0.1
    text_alpha: Eps = 0.02
    decay: Annotated[float, Field(ge=0)] = 1.0
    scales: Annotated[int, Field(ge=1, le=10)] = 5

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, nesterov=True, scales=self.scales)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
