"""Leave the mainstay code of everything relevant."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from crossattack.objectives import Known, Loss, View, signs


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """Leave, in every bit, the code that stands for what is relevant: sign of the relevant minus the irrelevant mean code.

    The loss is the mean of (s + 2) s over the bits with s = h' b > -1/2: a bit that is lost for certain no longer counts,
    so that the others get the whole gradient.

    Differs from the paper: no annealed tanh; away from labels, relevant means near in the codes that were paid for.

    Paper: Yuan, Zhang, Wang, Wu, "Semantic-Aware Adversarial Training for Reliable Deep Hashing Retrieval",
    IEEE TIFS 2023.
    """

    name: Literal["consensus"] = "consensus"
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """The mean over open bits, per item; zero where none is open."""
        stay = mainstay(view.other)

        def loss(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
            kept = relaxed * stay
            open_bits = (kept > -0.5).to(kept.dtype)
            return (open_bits * (kept + 2) * kept).sum(-1) / open_bits.sum(-1).clamp(min=1)

        return loss


def mainstay(known: Known) -> Float[Tensor, "items bits"]:
    """The code nearest to what is relevant and farthest from what is not; its negation is the best that an attack can reach."""
    return signs(known.centre(known.relevant) - known.centre(known.irrelevant))
