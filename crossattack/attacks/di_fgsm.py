"""The iterative method with diverse inputs."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import AnObjective, Eps, Norm, Radius, Share, Steps
from crossattack.attacks._gradient import follow
from crossattack.attacks._moves import Moves
from crossattack.objectives.triplet import TRIPLET


@dataclass(frozen=True, kw_only=True)
class DiFgsm:
    """Momentum along slopes of pictures that are resized and moved a little, so that the change survives another network.

    With probability `diversity` a step sees the picture at nine tenths of its size or more, somewhere on black. Texts have
    nothing to resize: there it is `mi_fgsm`.

    Differs from the paper: an objective of retrieval takes the place of a class loss; one bilinear sampling a step rather than
    nearest neighbours and padding; every picture draws for itself.

    Paper: Xie, Zhang, Zhou, Bai, Wang, Ren, Yuille, "Improving Transferability of Adversarial Examples with Input
    Diversity", CVPR 2019.
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
    diversity: Share = 0.5

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, diversity=self.diversity)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
