"""CMLA: destroy the likeness to the other modality, keep the one to your own."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from crossattack.objectives import Known, Loss, View


@dataclass(frozen=True, kw_only=True)
class Cmla:
    """Likelihoods of two likenesses: between the modalities turned around, within the item's own modality kept.

        mean [ log(1 + exp(-G)) + S G ] + intra mean [ log(1 + exp(T)) - S T ]

    G = <h', other code>, T = <h', code of the item's own modality>, S = 1 where the two are relevant to each other.

    Differs from the paper: the ball takes the place of the penalty on the change, and it is symmetric (the release moves
    pixels up only); products of codes are whole, as in the release, not halved; all known codes rather than those of a batch.

    Paper: Li, Gao, Deng, Xie, Liu, "Cross-Modal Learning with Adversarial Samples", NeurIPS 2019.
    """

    name: Literal["cmla"] = "cmla"
    intra: Annotated[float, Field(ge=0)] = 1.0
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """The two means, per item."""

        def loss(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
            return _likelihood(relaxed, view.other, -1.0) + self.intra * _likelihood(relaxed, view.same, 1.0)

        return loss


def _likelihood(relaxed: Float[Tensor, "items bits"], known: Known, sign: float) -> Float[Tensor, " items"]:
    """Mean of log(1 + exp(sign T)) - sign S T over all that is either relevant or irrelevant."""
    likeness = sign * (relaxed @ known.codes.T)
    relevant = (known.relevant > 0).to(relaxed.dtype)
    counts = ((known.relevant > 0) | (known.irrelevant > 0)).to(relaxed.dtype)
    return ((softplus(likeness) - relevant * likeness) * counts).sum(-1) / counts.sum(-1).clamp(min=1)
