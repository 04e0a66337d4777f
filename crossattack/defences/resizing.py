"""Random resizing and padding before the network."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Resizing:
    """Shrink each picture by a random factor and put it at a random place on black: what was tuned to one grid meets another.

    smallest: share of its size that a picture has at least. What is drawn for a picture is drawn by its bytes and `seed`, which
    no attacker knows: the same picture is always answered alike, one that differs by a grey level meets another draw. So a run
    can be repeated and resumed to the bit, its database is encoded once, and averaging over draws costs an attacker what it
    would cost of a target that draws at each question: a query a draw. redraws: draw at each question instead, as in the paper;
    then no two answers need be equal, and the run's checks say so.

    Differs from the paper: the picture shrinks within its own size instead of growing from 299 to at most 331 pixels (the
    ratio, 0.9, is the same), by one bilinear sampling, at places between pixels too; draws by content, unless `redraws`.

    Paper: Xie, Wang, Zhang, Ren, Yuille, "Mitigating Adversarial Effects Through Randomization", ICLR 2018.
    """

    draws: ClassVar[int] = 3
    smallest: Annotated[float, Field(gt=0, le=1)] = 0.9
    redraws: bool = False
    seed: int = 0

    def through(
        self, images: Float[Tensor, "items 3 height width"], drawn: Float[Tensor, "items draws"]
    ) -> Float[Tensor, "items 3 height width"]:
        """Each at its own size and place."""
        size, up, left = drawn.unbind(1)
        return placed(images, self.smallest + (1 - self.smallest) * size, up, left)


def placed(
    images: Float[Tensor, "items 3 height width"],
    scale: Float[Tensor, " items"],
    up: Float[Tensor, " items"],
    left: Float[Tensor, " items"],
) -> Float[Tensor, "items 3 height width"]:
    """Each picture at `scale` of its size on black, from the bottom right (0, 0) to the top left (1, 1); in one affine sampling."""
    slack = 1 / scale - 1  # how far the smaller picture may move, in the sampling's coordinates
    grid = torch.zeros(len(images), 2, 3, device=images.device, dtype=images.dtype)
    grid[:, 0, 0] = grid[:, 1, 1] = 1 / scale
    grid[:, 0, 2], grid[:, 1, 2] = slack * (2 * left - 1), slack * (2 * up - 1)
    places = functional.affine_grid(grid, list(images.shape), align_corners=False)
    return functional.grid_sample(images, places, align_corners=False)
