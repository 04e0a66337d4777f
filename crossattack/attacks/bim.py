"""The basic iterative method."""

from dataclasses import dataclass

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class Bim(Strides):
    """FGSM in small steps from the clean item, each brought back into the ball.

    With `start: clean` PGD is the same; it stands here under the name by which it is looked up.

    Differs from the paper: an objective of retrieval takes the place of a class loss; the number of steps is given rather
    than derived from eps.

    Paper: Kurakin, Goodfellow, Bengio, "Adversarial Examples in the Physical World", ICLR workshop 2017.
    """

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves()

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
