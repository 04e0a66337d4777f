"""DHTA: approach the consensus of several wanted items."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crossattack.objectives import Loss, View, agreement, signs


@dataclass(frozen=True, kw_only=True)
class Dhta:
    """Approach the anchor code, the majority of each bit over `members` items of what is wanted. `members: 1` is P2P.

    Differs from the paper: signed steps on the mean product as it is; the anchor's items are of the modality that is
    searched, as the retrieval is cross-modal.

    Paper: Bai, Chen, Li, Wu, Guo, Xia, Yang, "Targeted Attack for Deep Hashing based Retrieval", ECCV 2020.
    """

    name: Literal["dhta"] = "dhta"
    members: Annotated[int, Field(ge=1, le=32)] = 9
    targeted: ClassVar[bool] = True
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """Minus the mean product with the anchor, per item."""
        anchor = signs(view.other.codes[view.other.drawn[:, : self.members]].sum(1))
        return lambda relaxed: -agreement(relaxed, anchor)
