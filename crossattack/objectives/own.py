"""Leave your own code."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from crossattack.objectives import Loss, View, agreement, signs


@dataclass(frozen=True, kw_only=True)
class Own:
    """Turn every bit of the item's own clean code: the mean product with it, which needs neither labels nor answers.

    Differs from the paper: nobody's in particular; the untargeted loss that the hashing papers compare with.
    """

    name: Literal["own"] = "own"
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """Mean product with the clean code, in [-1, 1]."""
        clean = signs(view.own)
        return lambda relaxed: agreement(relaxed, clean)
