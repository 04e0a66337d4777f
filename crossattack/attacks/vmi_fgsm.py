"""The iterative method with tuned variance."""

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
class VmiFgsm:
    """Momentum along slopes corrected by what the slope was, on the mean, around the point before.

    The correction is the mean slope at `neighbours` random points, each value at most `reach` radii away, less the slope at the
    point itself.

    Differs from the paper: an objective of retrieval takes the place of a class loss; fewer neighbours than the paper's 20, as its
    later users take.

    Paper: Wang, He, "Enhancing the Transferability of Adversarial Attacks through Variance Tuning", CVPR 2021.
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
    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    reach: Annotated[float, Field(ge=0, le=10)] = 1.5

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, neighbours=self.neighbours, reach=self.reach)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
