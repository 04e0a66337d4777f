"""Leave your own feature."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from crossattack.objectives import Loss, View


@dataclass(frozen=True, kw_only=True)
class Away:
    """Maximise the squared distance from the item's own clean output, for features as for relaxed codes.

    The clean item is where this distance is least, so the slope there is zero and a descent starts at random.

    Differs from the paper: PIRE takes Adam in normalised pixels; here any gradient attack takes the loss.

    Paper: Liu, Zhao, Larson, "Who's Afraid of Adversarial Queries? The Impact of Image Modifications on Content-based
    Image Retrieval", ICMR 2019.
    """

    name: Literal["away"] = "away"
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = True

    def of(self, view: View) -> Loss:
        """Minus the mean squared distance."""
        return lambda relaxed: -(relaxed - view.own).square().mean(-1)
