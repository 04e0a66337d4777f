"""The iterative method with momentum."""

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
class MiFgsm:
    """Iterative signed steps along a running sum of slopes, which carries the descent over bumps of the surrogate.

    On the target itself, with labels, it is the strongest of these attacks on hashing and so the usual ceiling. Each
    slope is divided by its mean size over the item before it is added; the sum fades by `decay` a step.

    Differs from the paper: an objective of retrieval takes the place of a class loss; the mean size rather than the L1
    norm, which differ by a constant.

    Paper: Dong, Liao, Pang, Su, Zhu, Hu, Li, "Boosting Adversarial Attacks with Momentum", CVPR 2018.
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

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
