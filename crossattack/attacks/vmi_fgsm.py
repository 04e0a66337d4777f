"""The iterative method with tuned variance."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class VmiFgsm(Strides):
    """Momentum along slopes corrected by what the slope was, on the mean, around the point before.

    The correction is the mean slope at `neighbours` random points, each value at most `reach` radii away, less the slope at the
    point itself.

    Differs from the paper: an objective of retrieval takes the place of a class loss; fewer neighbours than the paper's 20, as its
    later users take.

    Paper: Wang, He, "Enhancing the Transferability of Adversarial Attacks through Variance Tuning", CVPR 2021.
    """

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
