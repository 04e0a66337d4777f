"""SDHA: spread away from the codes of what is relevant."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, sigmoid

from crossattack.objectives import Loss, View, signs


@dataclass(frozen=True, kw_only=True)
class Sdha:
    """Raise a smooth count of the bits in which the item differs from each relevant code, the nearest counting most.

        -(25 / K) mean_r [ d(h', r)^(-1/2) ( 1/2 sum |h' - r| s(5 h' r) + sum (1 - s(5 h' r)) ) ]

    s is the logistic function, d the Hamming distance of the bits (at least 1), r the `members` most relevant codes.

    Differs from the paper: the ball takes the place of the squared change of the picture; a sample of relevant codes rather
    than all; no Adam of its own.

    Paper: Lu, Chen, Sun, Wang, Wang, Yang, "A Smart Adversarial Attack on Deep Hashing Based Image Retrieval", ICMR 2021.
    """

    name: Literal["sdha"] = "sdha"
    members: Annotated[int, Field(ge=1)] = 32
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """Minus the weighted count, per item."""
        weights, positions = view.other.relevant.topk(min(self.members, view.other.relevant.shape[1]), dim=1)
        near, counts = view.other.codes[positions], (weights > 0).to(view.own.dtype)  # (items, members, bits), (items, members)

        def loss(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
            bits, here = relaxed.shape[-1], relaxed[:, None]
            distance = (signs(here) != near).sum(-1).clamp(min=1).to(here.dtype)
            same = sigmoid(5 * here * near)
            spread = ((here - near).abs() * same / 2 + 1 - same).sum(-1) / distance.sqrt()
            return -25 / bits * (counts * spread).sum(-1) / counts.sum(-1).clamp(min=1)

        return loss
