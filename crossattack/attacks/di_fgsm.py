"""The iterative method with diverse inputs."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Share
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class DiFgsm(Strides):
    """Momentum along slopes of pictures that are resized and moved a little, so that the change survives another network.

    With probability `diversity` a step sees the picture at nine tenths of its size or more, somewhere on black. Texts have
    nothing to resize: there it is `mi_fgsm`.

    Differs from the paper: an objective of retrieval takes the place of a class loss; one bilinear sampling a step rather than
    nearest neighbours and padding; every picture draws for itself.

    Paper: Xie, Zhang, Zhou, Bai, Wang, Ren, Yuille, "Improving Transferability of Adversarial Examples with Input
    Diversity", CVPR 2019.
    """

    decay: Annotated[float, Field(ge=0)] = 1.0
    diversity: Share = 0.5

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(decay=self.decay, diversity=self.diversity)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
