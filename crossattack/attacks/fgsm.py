"""The fast gradient sign method."""

from dataclasses import dataclass
from typing import ClassVar

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import AnObjective, Eps, Hiding, Norm, Radius
from crossattack.attacks._gradient import follow
from crossattack.attacks._moves import Moves
from crossattack.objectives.triplet import TRIPLET


@dataclass(frozen=True, kw_only=True)
class Fgsm:
    """One step of the whole radius along the signs of the slope at the clean item.

    The cheapest of all, and the yardstick of the others. An objective without a slope at the clean item is left from a
    random point of the ball.

    Differs from the paper: an objective of retrieval takes the place of a class loss; with `norm: l2` the step goes along
    the slope itself.

    Paper: Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015.
    """

    family: ClassVar[Family] = "gradient"
    needs: ClassVar[Needs] = Needs(gradients=True)
    objective: AnObjective = TRIPLET
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    text_eps: Eps = 0.1
    perception: Hiding = "none"
    steps: ClassVar[int] = 1

    @property
    def alpha(self) -> float:
        """The length of its step."""
        return self.eps

    @property
    def text_alpha(self) -> float:
        """The same of the weights of words."""
        return self.text_eps

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves()

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
