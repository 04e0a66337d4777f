"""Just noticeable differences: how much each place of a picture may change before a person sees it.

Two things hide a change: light that is darker or brighter than mid-grey, and texture. Flat grey hides least.

Differs from the paper: its spatial part alone, with its constants; colours go by their luma and share one threshold; a picture goes
on beyond its edge as it is there.

Paper: Chou, Li, "A Perceptually Tuned Subband Image Coder Based on the Measure of Just-Noticeable-Distortion Profile", IEEE
Transactions on Circuits and Systems for Video Technology, 1995.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from crossattack.attacks._balls import Ball
from crossattack.errors import UsageError

LUMA = (0.299, 0.587, 0.114)
AROUND = ((1, 1, 1, 1, 1), (1, 2, 2, 2, 1), (1, 2, 0, 2, 1), (1, 2, 2, 2, 1), (1, 1, 1, 1, 1))  # the background; adds up to 32
DOWN = ((0, 0, 0, 0, 0), (1, 3, 8, 3, 1), (0, 0, 0, 0, 0), (-1, -3, -8, -3, -1), (0, 0, 0, 0, 0))  # slopes; each side to 16
ASLANT = ((0, 0, 1, 0, 0), (0, 8, 3, 0, 0), (1, 3, 0, -3, -1), (0, 0, -3, -8, 0), (0, 0, -1, 0, 0))


def jnd(pictures: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items 1 height width"]:
    """The threshold at each pixel of pictures in [0, 1], in the same units: that of its light or of its texture, the larger."""
    grey = 255 * (pictures * pictures.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    filters = grey.new_tensor([AROUND, DOWN, ASLANT])
    background, down, slant = filters / filters.new_tensor([32, 16, 16])[:, None, None]
    kernels = torch.stack([background, down, down.T, slant, slant.flip(1)])[:, None]
    seen = conv2d(pad(grey, (2, 2, 2, 2), mode="replicate"), kernels)
    light, slope = seen[:, :1].clamp(0, 255), seen[:, 1:].abs().amax(1, keepdim=True)
    return torch.maximum(by_light(light), by_texture(light, slope)) / 255


def by_light(light: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The threshold on a background of so many grey levels, in grey levels: 20 on black, 3 on mid-grey (127), 6 on white."""
    return torch.where(light <= 127, 17 * (1 - (light.clamp(max=127) / 127).sqrt()) + 3, 3 / 128 * (light - 127) + 3)


def by_texture(light: Float[Tensor, "..."], slope: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The threshold where grey levels change by so many from one side to the other: the steeper, the higher."""
    return slope * (0.0001 * light + 0.115) + 0.5 - 0.01 * light


def radii(clean: Float[Tensor, "items 3 height width"], eps: float) -> Float[Tensor, "items 1 height width"]:
    """How far each pixel may go: `eps` where the picture hides most, elsewhere less, as the thresholds are to each other."""
    threshold = jnd(clean)
    return eps * threshold / threshold.amax(dim=(1, 2, 3), keepdim=True)


def levels_of(clean: Float[Tensor, "items 3 height width"], eps: float) -> Float[Tensor, "items 1 height width"]:
    """`radii` in whole grey levels: where nothing hides a level, nothing moves."""
    return (radii(clean, eps) * 255 + 1e-3).floor()


def hidden(ball: Ball) -> Ball:
    """A ball of pictures narrowed to `levels_of`."""
    if ball.norm != "linf":
        raise UsageError(f"`norm: linf` wanted with `perception: mnd`, {ball.norm} got; a pixel has a radius of its own with linf only.")
    levels, reach = (ball.clean * 255).round(), levels_of(ball.clean, ball.eps)
    low, high = (levels - reach) / 255, (levels + reach) / 255
    return replace(ball, low=torch.maximum(ball.low, low), high=torch.minimum(ball.high, high))
