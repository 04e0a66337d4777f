"""The iterative method with smoothed slopes."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Kernel
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class TiFgsm(Strides):
    """Momentum along slopes smoothed by a Gaussian, which stands for the mean slope over shifted pictures.

    Smooth changes depend less on what the surrogate happens to look at. Texts have no neighbouring pixels: there it is
    `mi_fgsm`.

    Differs from the paper: an objective of retrieval takes the place of a class loss; no input diversity unless combined with it
    (see `gradient`); a smaller kernel, as the pictures are smaller.

    Paper: Dong, Pang, Su, Zhu, "Evading Defenses to Transferable Adversarial Examples by Translation-Invariant Attacks",
    CVPR 2019.
    """

    decay: Annotated[float, Field(ge=0)] = 1.0
    kernel: Kernel = 7

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, kernel=self.kernel)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
