"""Perceptual distortion: how much a picture was changed, measured on the uint8 pictures that were sent.

Everything is said in [0, 1] pixels, so a change by 8 levels is 8 / 255. A measure gives one float64 a picture;
`distortion` gives their means, as results.json holds them. Work goes in blocks of pictures, on the pictures' device.
"""

from crossattack.metrics._blocks import PerPicture, Pictures, blockwise
from crossattack.metrics.colour import ciede2000
from crossattack.metrics.structure import ms_ssim, scales_of, ssim
from crossattack.metrics.texture import textured_over_flat


def linf(clean: Pictures, changed: Pictures) -> PerPicture:
    """Largest change of any value of the picture, in [0, 1]."""
    return blockwise(lambda x, y: (x - y).abs().amax(dim=(1, 2, 3)) / 255, clean, changed)


def l2(clean: Pictures, changed: Pictures) -> PerPicture:
    """Euclidean length of the change, over all values of the picture: sqrt(sum (x - y)^2)."""
    return blockwise(lambda x, y: (x - y).square().sum(dim=(1, 2, 3)).sqrt() / 255, clean, changed)


def rmse(clean: Pictures, changed: Pictures) -> PerPicture:
    """Root of the mean squared change of the picture's values, in [0, 1]."""
    return blockwise(lambda x, y: (x - y).square().mean(dim=(1, 2, 3)).sqrt() / 255, clean, changed)


def psnr(clean: Pictures, changed: Pictures) -> PerPicture:
    """Peak signal to noise ratio in decibels, -20 log10(rmse): infinite where nothing was changed, 0 at worst."""
    return -20 * rmse(clean, changed).log10()


def l0(clean: Pictures, changed: Pictures) -> PerPicture:
    """Number of pixels that were changed, in any of their colours."""
    return blockwise(lambda x, y: (x != y).any(dim=1).sum(dim=(1, 2)).double(), clean, changed)


def perceptibility(clean: Pictures, changed: Pictures) -> float:
    """How far pixels moved over a whole set: the root of the mean over pictures of their mean squared change, in [0, 1].

    This pooled convention is the one of attacks on hashing (TA-DCH). The other one, the mean over pictures of `rmse`, is
    never larger and stands in `distortion` as `perceptibility_per_picture`.
    """
    return float(rmse(clean, changed).square().mean().sqrt())


def distortion(clean: Pictures, changed: Pictures) -> dict[str, float | int | None]:
    """Means over the pictures, safe for JSON; all None when there are no pictures.

    linf, l2, l0                 means; `linf_max` and `l2_max` are the largest, to hold against eps
    ssim, ms_ssim, ciede2000     means (`structure`, `colour`); `ms_ssim_scales` says on how many scales. None, and 0 scales, where
                                 pictures are smaller than the window; CIEDE2000 is of pictures in colour
    psnr                         mean over the pictures that were changed, None when none was; an unchanged picture's is
                                 infinite, and would make the mean so: `unchanged` says how many were left out
    perceptibility               pooled over the set; `perceptibility_per_picture` is the mean of each one's own
    """
    largest, length, each = linf(clean, changed), l2(clean, changed), rmse(clean, changed)
    noise, scales = psnr(clean, changed), scales_of(*clean.shape[2:])
    return {
        "linf": _mean(largest),
        "linf_max": float(largest.max()) if len(largest) else None,
        "l2": _mean(length),
        "l2_max": float(length.max()) if len(length) else None,
        "l0": _mean(l0(clean, changed)),
        "psnr": _mean(noise[noise.isfinite()]),
        "unchanged": int(noise.isinf().sum()),
        "ssim": _mean(ssim(clean, changed)) if scales else None,
        "ms_ssim": _mean(ms_ssim(clean, changed)) if scales else None,
        "ms_ssim_scales": scales,
        "ciede2000": _mean(ciede2000(clean, changed)) if clean.shape[1] == 3 else None,
        "textured_over_flat": _median(textured_over_flat(clean, changed)) if clean.shape[1] == 3 else None,
        "perceptibility": perceptibility(clean, changed) if len(each) else None,
        "perceptibility_per_picture": _mean(each),
    }


def _median(values: PerPicture) -> float | None:
    """Over the pictures that have a value."""
    known = values[values.isfinite()]
    return float(known.median()) if len(known) else None


def _mean(values: PerPicture) -> float | None:
    return float(values.mean()) if len(values) else None
