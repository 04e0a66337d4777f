"""HAG: turn the bits that are not turned yet."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossattack.objectives import Loss, View, signs


@dataclass(frozen=True, kw_only=True)
class Hag:
    """Push the item's own clean code to its complement, bit by bit, leaving alone the bits that are there already.

        (sum m h' b / sum m + 1)^2 + beta (mean m h')^2      m = 1 where |h' - b| < 1 + tolerance

    b is the clean code. The second term keeps the bits that are still open balanced.

    Differs from the paper: the balance term as a later comparison of attacks has it (SAAT's release); no annealed tanh.

    Paper: Yang, Liu, Deng, Tao, "Adversarial Examples for Hamming Space Search", IEEE Transactions on Cybernetics 2020.
    """

    name: Literal["hag"] = "hag"
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.5
    beta: Annotated[float, Field(ge=0)] = 1.0
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """The two squares, per item."""
        clean = signs(view.own)

        def loss(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
            open_bits = ((relaxed - clean).abs() < 1 + self.tolerance).to(relaxed.dtype).detach()
            kept = (open_bits * relaxed * clean).sum(-1) / open_bits.sum(-1).clamp(min=1)
            return (kept + 1).square() + self.beta * (open_bits * relaxed).mean(-1).square()

        return loss
