"""ODFA: turn round, towards the reversed output."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from crossattack.objectives import Loss, View


@dataclass(frozen=True, kw_only=True)
class Odfa:
    """Come near to the opposite of the item's own clean output: a U-turn in the space of features or of relaxed codes.

    Every output has a slope towards its opposite, the clean one too. Where a network brings its features to length one, its
    pixels have none there all the same, as a feature is most like itself: leave from `start: uniform` then.

    Differs from the paper: outputs are not brought to length one, as codes have none; the moves are those of whichever
    gradient attack takes the loss (the paper's are `bim` with steps of one grey level).

    Paper: Zheng, Zheng, Yang, Wu, "Query Attack via Opposite-Direction Feature: Towards Robust Image Retrieval", arXiv 2018.
    """

    name: Literal["odfa"] = "odfa"
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def of(self, view: View) -> Loss:
        """The mean squared distance from the reversed clean output."""
        return lambda relaxed: (relaxed + view.own).square().mean(-1)
