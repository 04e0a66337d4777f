"""The iterative method with smoothed slopes."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import AnObjective, Eps, Kernel, Norm, Radius, Steps
from crossattack.attacks._gradient import follow
from crossattack.attacks._moves import Moves
from crossattack.objectives.triplet import TRIPLET


@dataclass(frozen=True, kw_only=True)
class TiFgsm:
    """Momentum along slopes smoothed by a Gaussian, which stands for the mean slope over shifted pictures.

    Smooth changes depend less on what the surrogate happens to look at. Texts have no neighbouring pixels: there it is
    `mi_fgsm`.

    Differs from the paper: an objective of retrieval takes the place of a class loss; no input diversity unless combined with it
    (see `gradient`); a smaller kernel, as the pictures are smaller.

    Paper: Dong, Pang, Su, Zhu, "Evading Defenses to Transferable Adversarial Examples by Translation-Invariant Attacks",
    CVPR 2019.
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
    kernel: Kernel = 7

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, kernel=self.kernel)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
