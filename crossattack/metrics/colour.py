"""Colour difference as people see it: CIEDE2000, on the uint8 pictures that were sent.

A difference of 1 is about what a trained eye can just tell side by side. Bytes are taken for sRGB under daylight (D65).
"""

from math import radians

import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.metrics._blocks import PerPicture, Pictures, blockwise

TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))  # of linear sRGB
WHITE = (0.95047, 1.0, 1.08883)  # D65, seen by the observer of 1931


def ciede2000(clean: Pictures, changed: Pictures) -> PerPicture:
    """Mean over the pixels of the CIEDE2000 difference, 0 where nothing was changed, 100 between black and white.

    Paper: Gaurav Sharma, Wencheng Wu, Edul Dalal, The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary
    Test Data, and Mathematical Observations, Color Research and Application, 2005.
    """
    return blockwise(lambda x, y: difference(lab(x / 255), lab(y / 255)).mean(dim=(1, 2)), clean, changed)


def lab(pictures: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items height width 3"]:
    """CIELAB of sRGB pictures in [0, 1]: L* in [0, 100], a* and b*."""
    linear = torch.where(pictures <= 0.04045, pictures / 12.92, ((pictures + 0.055) / 1.055) ** 2.4)
    share = linear.movedim(1, -1) @ (pictures.new_tensor(TO_XYZ).T / pictures.new_tensor(WHITE))
    x, y, z = torch.where(share > 216 / 24389, share ** (1 / 3), (24389 / 27 * share + 16) / 116).unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)


def difference(one: Float[Tensor, "*colours 3"], other: Float[Tensor, "*colours 3"]) -> Float[Tensor, "*colours"]:
    """CIEDE2000 between colours in CIELAB, as the paper of 2005 has it, with all parametric factors 1."""
    (light, a, b), (other_light, other_a, other_b) = one.unbind(-1), other.unbind(-1)
    stretch = 1.5 - 0.5 * _saturation((torch.hypot(a, b) + torch.hypot(other_a, other_b)) / 2)  # (4)
    a, other_a = a * stretch, other_a * stretch
    chroma, other_chroma = torch.hypot(a, b), torch.hypot(other_a, other_b)
    hue, other_hue = torch.atan2(b, a) % (2 * torch.pi), torch.atan2(other_b, other_a) % (2 * torch.pi)

    grey = chroma * other_chroma == 0  # one of the two has no hue
    turn = other_hue - hue
    turn = turn - 2 * torch.pi * (turn > torch.pi) + 2 * torch.pi * (turn < -torch.pi)
    by_hue = 2 * (chroma * other_chroma).sqrt() * torch.sin(turn.where(~grey, 0.0) / 2)  # (10), (11)
    by_light, by_chroma = other_light - light, other_chroma - chroma

    mean_hue = torch.where((other_hue - hue).abs() > torch.pi, (hue + other_hue) / 2 + torch.pi, (hue + other_hue) / 2)
    mean_hue = torch.where(grey, hue + other_hue, mean_hue)  # (14); a whole turn more or less is the same hue
    mean_light, mean_chroma = (light + other_light) / 2, (chroma + other_chroma) / 2

    tone = torch.ones_like(mean_hue)
    for weight, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63)):  # (15)
        tone = tone + weight * torch.cos(times * mean_hue + radians(shift))
    from_mid = (mean_light - 50).square()
    of_light = 1 + 0.015 * from_mid / (20 + from_mid).sqrt()  # (18)
    of_chroma, of_hue = 1 + 0.045 * mean_chroma, 1 + 0.015 * mean_chroma * tone  # (19), (20)
    degrees = torch.rad2deg(mean_hue) % 360
    rotation = -2 * _saturation(mean_chroma) * torch.sin(radians(60) * torch.exp(-((degrees - 275) / 25).square()))  # (16), (17), (21)

    by_light, by_chroma, by_hue = by_light / of_light, by_chroma / of_chroma, by_hue / of_hue
    return (by_light.square() + by_chroma.square() + by_hue.square() + rotation * by_chroma * by_hue).clamp(min=0).sqrt()  # (22)


def _saturation(chroma: Tensor) -> Tensor:
    """From 0 for greys to 1 for full colours, half way at a chroma of 25 or so."""
    return (chroma**7 / (chroma**7 + 25.0**7)).sqrt()
