"""Perceptual distortion: how much a picture was changed, measured on the uint8 pictures that were sent.

Everything is said in [0, 1] pixels, so a change by 8 levels is 8 / 255. A measure gives one float64 a picture;
`distortion` gives their means, as results.json holds them. Work goes in blocks of pictures, on the pictures' device.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from crossattack.errors import UsageError

Pictures: TypeAlias = UInt8[Tensor, "items channel height width"]
PerPicture: TypeAlias = Float64[Tensor, " items"]

BLOCK = 1 << 18  # values of pictures at work at a time: as float64 they stay in the processor's cache
WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03  # SSIM's constants, as in the paper


def linf(clean: Pictures, changed: Pictures) -> PerPicture:
    """Largest change of any value of the picture, in [0, 1]."""
    return _blockwise(lambda x, y: (x - y).abs().amax(dim=(1, 2, 3)) / 255, clean, changed)


def l2(clean: Pictures, changed: Pictures) -> PerPicture:
    """Euclidean length of the change, over all values of the picture: sqrt(sum (x - y)^2)."""
    return _blockwise(lambda x, y: (x - y).square().sum(dim=(1, 2, 3)).sqrt() / 255, clean, changed)


def rmse(clean: Pictures, changed: Pictures) -> PerPicture:
    """Root of the mean squared change of the picture's values, in [0, 1]."""
    return _blockwise(lambda x, y: (x - y).square().mean(dim=(1, 2, 3)).sqrt() / 255, clean, changed)


def psnr(clean: Pictures, changed: Pictures) -> PerPicture:
    """Peak signal to noise ratio in decibels, -20 log10(rmse): infinite where nothing was changed, 0 at worst."""
    return -20 * rmse(clean, changed).log10()


def ssim(clean: Pictures, changed: Pictures) -> PerPicture:
    """Structural similarity, in [-1, 1], 1 where nothing was changed: the mean over channels and places of

        (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)),  C1 = 0.01^2, C2 = 0.03^2

    with means m, variances s^2 and covariance s_xy under an 11 x 11 Gaussian window of sigma 1.5, at the places where the
    window fits. Colours are compared channel by channel (the paper has grey pictures); so does scikit-image.

    Paper: Zhou Wang, Alan Bovik, Hamid Sheikh, Eero Simoncelli, Image Quality Assessment: From Error Visibility to
    Structural Similarity, IEEE Transactions on Image Processing, 2004.
    """
    height, width = clean.shape[2:]
    if min(height, width) < WINDOW:
        raise UsageError(f"SSIM's window is {WINDOW} pixels wide and the pictures are {height} x {width}; take larger ones.")
    down, along = _window(height, clean.device), _window(width, clean.device)

    def similarity(x: Tensor, y: Tensor) -> Tensor:
        x, y = x / 255, y / 255
        mean_x, mean_y, squares, product = (down @ plane @ along.T for plane in (x, y, x * x + y * y, x * y))
        means, energy = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        luminance = (2 * means + K1**2) / (energy + K1**2)
        structure = (2 * (product - means) + K2**2) / (squares - energy + K2**2)
        return (luminance * structure).mean(dim=(1, 2, 3))

    return _blockwise(similarity, clean, changed)


def perceptibility(clean: Pictures, changed: Pictures) -> float:
    """How far pixels moved over a whole set: the root of the mean over pictures of their mean squared change, in [0, 1].

    This pooled convention is the one of attacks on hashing (TA-DCH). The other one, the mean over pictures of `rmse`, is
    never larger and stands in `distortion` as `perceptibility_per_picture`.
    """
    return float(rmse(clean, changed).square().mean().sqrt())


def distortion(clean: Pictures, changed: Pictures) -> dict[str, float | int | None]:
    """Means over the pictures, safe for JSON; all None when there are no pictures.

    linf, l2, ssim               means; `linf_max` and `l2_max` are the largest, to hold against eps
    psnr                         mean over the pictures that were changed, None when none was; an unchanged picture's is
                                 infinite, and would make the mean so: `unchanged` says how many were left out
    perceptibility               pooled over the set; `perceptibility_per_picture` is the mean of each one's own
    """
    largest, length, each = linf(clean, changed), l2(clean, changed), rmse(clean, changed)
    noise = psnr(clean, changed)
    return {
        "linf": _mean(largest),
        "linf_max": float(largest.max()) if len(largest) else None,
        "l2": _mean(length),
        "l2_max": float(length.max()) if len(length) else None,
        "psnr": _mean(noise[noise.isfinite()]),
        "unchanged": int(noise.isinf().sum()),
        "ssim": _mean(ssim(clean, changed)),
        "perceptibility": perceptibility(clean, changed) if len(each) else None,
        "perceptibility_per_picture": _mean(each),
    }


def _blockwise(measure: Callable[[Tensor, Tensor], Tensor], clean: Pictures, changed: Pictures) -> PerPicture:
    """`measure` of float64 pictures in [0, 255], some pictures at a time."""
    size = max(1, BLOCK // max(1, clean[0].numel())) if len(clean) else 1
    pairs = zip(torch.split(clean, size), torch.split(changed, size), strict=True)
    return torch.cat([measure(x.double(), y.double()) for x, y in pairs])


def _window(length: int, device: torch.device) -> Float64[Tensor, "places length"]:
    """The Gaussian window at each of its places on a line of pixels, as rows of a matrix: filtering is then a product.

    One small matrix product a picture and axis is several times faster here than a convolution with so long a kernel.
    """
    offsets = torch.arange(length, dtype=torch.float64, device=device) - torch.arange(length - WINDOW + 1, device=device)[:, None]
    weights = torch.exp(-0.5 * ((offsets - WINDOW // 2) / SIGMA).square())
    weights = weights.where((offsets >= 0) & (offsets < WINDOW), 0.0)
    return weights / weights.sum(dim=1, keepdim=True)


def _mean(values: PerPicture) -> float | None:
    return float(values.mean()) if len(values) else None
