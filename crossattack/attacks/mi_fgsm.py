"""The iterative method with momentum."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class MiFgsm(Strides):
    """Iterative signed steps along a running sum of slopes, which carries the descent over bumps of the surrogate.

    On the target itself, with labels, it is the strongest of these attacks on hashing and so the usual ceiling. Each
    slope is divided by its mean size over the item before it is added; the sum fades by `decay` a step.

    Differs from the paper: an objective of retrieval takes the place of a class loss; the mean size rather than the L1
    norm, which differ by a constant.

    Paper: Dong, Liao, Pang, Su, Zhu, Hu, Li, "Boosting Adversarial Attacks with Momentum", CVPR 2018.
    """

    decay: Annotated[float, Field(ge=0)] = 1.0

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
