"""Where a change goes: into edges and texture, or onto flat surfaces.

A pixel's slope is the length of the Sobel gradient of its luminance, per pixel of distance, with edges repeated. Pixels with a slope of a
twentieth or more are textured, those below a two-hundredth are flat; what lies between is neither.
"""

import torch
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor
from torch.nn import functional

TEXTURED, FLAT = 0.05, 0.005  # of the whole range of luminance, from one pixel to the next
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


def slopes(images: UInt8[Tensor, "items 3 height width"]) -> Float[Tensor, "items height width"]:
    """The length of each pixel's luminance gradient, in [0, 1] a pixel."""
    grey = (images.float() / 255 * torch.tensor(LUMINANCE).reshape(3, 1, 1)).sum(1, keepdim=True)
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    found = functional.conv2d(functional.pad(grey, (1, 1, 1, 1), mode="replicate"), torch.stack([across, across.T])[:, None])
    lengths: Tensor = found.norm(dim=1)
    return lengths


def textured(images: UInt8[Tensor, "items 3 height width"]) -> Bool[Tensor, "items height width"]:
    """Pixels on an edge or in texture."""
    return slopes(images) >= TEXTURED


def flat(images: UInt8[Tensor, "items 3 height width"]) -> Bool[Tensor, "items height width"]:
    """Pixels of a surface."""
    return slopes(images) < FLAT


def textured_over_flat(
    clean: UInt8[Tensor, "items 3 height width"], changed: UInt8[Tensor, "items 3 height width"]
) -> Float64[Tensor, " items"]:
    """Mean |change| of each picture's textured pixels over that of its flat ones: 1 where a change goes everywhere alike.

    NaN for pictures with no pixel of either kind, or no change on the flat ones. Flat white and flat black can be changed
    in one direction only, so even random signs score above 1 on drawings with a white ground: hold it against theirs.
    """
    change = (changed.double() - clean.double()).abs().mean(1)  # (items, height, width)
    means = [(change * kind).sum((1, 2)) / kind.sum((1, 2)) for kind in (textured(clean), flat(clean))]
    ratio: Tensor = means[0] / means[1]
    return ratio.where(ratio.isfinite(), torch.nan)
