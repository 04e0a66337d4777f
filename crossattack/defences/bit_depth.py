"""Fewer bits a pixel before the network."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossattack.defences import straight_through


@dataclass(frozen=True, kw_only=True)
class BitDepth:
    """Round each value of each pixel to one of 2^bits levels from 0 to 1: changes of less than half a level are gone.

    bits: 1 to 8; three leave eight levels, 36 grey levels apart. Backwards it is the identity, as its own slope is nought.

    Differs from the paper: nothing is detected by it; the rounded picture is what is searched with and for.

    Paper: Xu, Evans, Qi, "Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks", NDSS 2018.
    """

    draws: ClassVar[int] = 0
    bits: Annotated[int, Field(ge=1, le=8)] = 3

    def through(
        self, images: Float[Tensor, "items 3 height width"], drawn: Float[Tensor, "items draws"]
    ) -> Float[Tensor, "items 3 height width"]:
        """Rounded to the nearest level."""
        steps = 2**self.bits - 1
        return straight_through(images, (images.detach().clamp(0, 1) * steps).round() / steps)
