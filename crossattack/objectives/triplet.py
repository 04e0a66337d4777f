"""AACH's reversed triplet."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossattack.objectives import Loss, View, signs
from surrogates.losses import relaxed_distance


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """Leave the positives and approach the negatives of the other modality, and settle on bits.

        max(0, margin + D(h', N) - D(h', P)) + quantisation |h' - sign h'|^2 / K

    with P and N the mean codes of what is relevant and of what is not, and D the relaxed Hamming distance in [0, 1]. Of
    features, which settle on no bits, D is half of 1 - cosine and the last term is left out.

    Differs from the paper, whose equations are known to us from prose only: P and N are means of several codes.

    Paper: Li, Gao, Deng, Liu, Huang, "Adversarial Attack on Deep Cross-Modal Hamming Retrieval", ICCV 2021.
    """

    name: Literal["triplet"] = "triplet"
    margin: Annotated[float, Field(ge=0, le=2)] = 1.0
    quantisation: Annotated[float, Field(ge=0)] = 0.01
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """The triplet's hinge and the quantisation, per item."""
        settling = self.quantisation if view.bits else 0.0
        positives, negatives = view.other.centre(view.other.relevant), view.other.centre(view.other.irrelevant)

        def loss(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
            gap = relaxed_distance(relaxed, negatives) - relaxed_distance(relaxed, positives)
            return torch.relu(self.margin + gap) + settling * (relaxed - signs(relaxed)).square().mean(-1)

        return loss


TRIPLET: Final = Triplet()  # what gradient attacks lower unless they are told otherwise
