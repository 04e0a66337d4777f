"""How visible a change is: its size, the structure that it costs, and the edges that it draws where nothing hides them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from crossattack.attacks._jnd import jnd
from crossattack.metrics.structure import WINDOW, similarity

Pixels: TypeAlias = Float[Tensor, "items 3 height width"]  # in [0, 1]
Visibility: TypeAlias = Callable[[Pixels], Float[Tensor, " items"]]


@dataclass(frozen=True, kw_only=True)
class Perception:
    """What each part of a visible change weighs.

        magnitude |x' - x|^2 / n  +  structure (1 - SSIM(x, x'))  +  gradient mean |D(x' - x)| / t

    with n values, D the differences from one pixel to the next, down and across, and t the just noticeable difference at the first
    of the two (`_jnd`): an edge that is drawn on a flat ground counts for many along an edge that is there.
    """

    magnitude: float
    structure: float
    gradient: float

    def of(self, clean: Pixels) -> Visibility:
        """The visibility of any change of these pictures: 0 of none; gradients flow."""
        hides = 1 / jnd(clean)
        structured = self.structure > 0 and min(clean.shape[2:]) >= WINDOW

        def visibility(changed: Pixels) -> Float[Tensor, " items"]:
            change = changed - clean
            found = self.magnitude * change.square().mean((1, 2, 3))
            if structured:
                found = found + self.structure * (1 - similarity(clean, changed))
            down, across = change.diff(dim=2).abs() * hides[:, :, :-1], change.diff(dim=3).abs() * hides[:, :, :, :-1]
            return found + self.gradient * (down.mean((1, 2, 3)) + across.mean((1, 2, 3))) / 2

        return visibility
