"""Approach the code that stands for everything wanted."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from crossattack.objectives import Loss, View, agreement, signs


@dataclass(frozen=True, kw_only=True)
class Prototype:
    """Approach the prototype code: sign of the mean of all that is wanted minus the mean of all that is not.

    Differs from the paper: the prototype is this closed form on known codes instead of the output of a network trained to
    map labels to codes.

    Paper: Wang, Zhang, Lu, Xu, "Targeted Attack and Defense for Deep Hashing", SIGIR 2021.
    """

    name: Literal["prototype"] = "prototype"
    targeted: ClassVar[bool] = True
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """Minus the mean product with the prototype, per item."""
        known = view.other
        prototype = signs(known.centre(known.wanted) - known.centre((known.wanted == 0).to(known.wanted.dtype)))
        return lambda relaxed: -agreement(relaxed, prototype)
