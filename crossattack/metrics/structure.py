"""Structural similarity, on one scale and on several: how much of a picture's structure a change leaves.

`ssim` and `ms_ssim` measure the uint8 pictures that were sent. `similarity` is the first of them for floats in [0, 1], of
any precision and with gradients, for who wants to keep it high.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from crossattack.errors import UsageError
from crossattack.metrics._blocks import PerPicture, Pictures, blockwise

WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03  # as in the paper of 2004
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # what each scale weighs, as in the paper of 2003, the finest first

WORTH_COMPILING = 1 << 22  # values of all pictures, below which plain SSIM takes about as long as loading numba


def ssim(clean: Pictures, changed: Pictures) -> PerPicture:
    """Structural similarity, in [-1, 1], 1 where nothing was changed: the mean over channels and places of

        (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)),  C1 = 0.01^2, C2 = 0.03^2

    with means m, variances s^2 and covariance s_xy under an 11 x 11 Gaussian window of sigma 1.5, at the places where the
    window fits. Colours are compared channel by channel (the paper has grey pictures); so does scikit-image.

    Paper: Zhou Wang, Alan Bovik, Hamid Sheikh, Eero Simoncelli, Image Quality Assessment: From Error Visibility to
    Structural Similarity, IEEE Transactions on Image Processing, 2004.
    """
    _refuse_small(clean)
    if clean.numel() >= WORTH_COMPILING and clean.device.type == "cpu" and find_spec("numba"):
        return _compiled(clean, changed)
    return _plain(clean, changed)


def _plain(clean: Pictures, changed: Pictures) -> PerPicture:
    return blockwise(lambda x, y: similarity(x / 255, y / 255), clean, changed)


def _compiled(clean: Pictures, changed: Pictures) -> PerPicture:
    """The same in compiled loops, on as many threads as torch has."""
    from crossattack.metrics._compiled_ssim import similarities

    planes = [each.flatten(0, 1).contiguous().numpy() for each in (clean, changed)]
    found, window = torch.empty(len(planes[0]), dtype=torch.float64), _window(WINDOW, torch.empty(0, dtype=torch.float64))[0].numpy()

    def part(places: slice) -> None:
        similarities(planes[0][places], planes[1][places], window, K1, K2, found.numpy()[places])

    threads = torch.get_num_threads()
    size = max(1, -(-len(found) // threads))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, [slice(first, first + size) for first in range(0, len(found), size)]))
    return found.reshape(clean.shape[:2]).mean(dim=1)


def ms_ssim(clean: Pictures, changed: Pictures) -> PerPicture:
    """Structural similarity on as many scales as fit, each half as fine as the one before: in [0, 1], 1 where nothing was changed.

    The product over the scales of the mean of the second factor of `ssim`, each to the power of its scale's weight; on the
    coarsest with the first factor too. Pictures are halved by the means of squares of 2 x 2 pixels. Where fewer than five
    scales fit (`scales_of`), the weights of those that do are made to add up to 1. Structure turned round counts as none.

    Paper: Zhou Wang, Eero Simoncelli, Alan Bovik, Multiscale Structural Similarity for Image Quality Assessment, Asilomar
    Conference on Signals, Systems and Computers, 2003.
    """
    _refuse_small(clean)
    kept = SCALES[: scales_of(*clean.shape[2:])]
    weights = [weight / sum(kept) for weight in kept]

    def product(x: Tensor, y: Tensor) -> Tensor:
        x, y, found = x / 255, y / 255, torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
        for scale, weight in enumerate(weights, start=1):
            luminance, structure = _factors(x, y)
            whole = structure * luminance if scale == len(weights) else structure
            found = found * whole.mean(dim=(2, 3)).clamp(min=0) ** weight
            x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
        return found.mean(dim=1)

    return blockwise(product, clean, changed)


def scales_of(height: int, width: int) -> int:
    """Scales, at most five, on which the window fits into pictures of that size: 3 at 64 pixels, 5 from 176 on, 0 below 11."""
    return sum(min(height, width) >> scale >= WINDOW for scale in range(len(SCALES)))


def similarity(x: Float[Tensor, "items channel height width"], y: Float[Tensor, "items channel height width"]) -> Float[Tensor, " items"]:
    """`ssim` of pictures in [0, 1], in their own precision, of which singles keep three digits; gradients flow."""
    luminance, structure = _factors(x, y)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _factors(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How alike luminance is, and how alike contrast and structure are, at each place, (items, channel, down, across)."""
    down, along = (_window(length, x) for length in x.shape[2:])
    mean_x, mean_y, squares, product = (down @ plane @ along.T for plane in (x, y, x * x + y * y, x * y))
    means, energy = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    return (2 * means + K1**2) / (energy + K1**2), (2 * (product - means) + K2**2) / (squares - energy + K2**2)


def _window(length: int, like: Tensor) -> Float[Tensor, "places length"]:
    """The Gaussian window at each of its places on a line of pixels, as rows of a matrix: filtering is then a product.

    One small matrix product a picture and axis is several times faster here than a convolution with so long a kernel.
    """
    offsets = torch.arange(length, dtype=like.dtype, device=like.device)
    offsets = offsets - offsets[: length - WINDOW + 1, None]
    weights = torch.exp(-0.5 * ((offsets - WINDOW // 2) / SIGMA).square())
    weights = weights.where((offsets >= 0) & (offsets < WINDOW), 0.0)
    return weights / weights.sum(dim=1, keepdim=True)


def _refuse_small(pictures: Pictures) -> None:
    height, width = pictures.shape[2:]
    if min(height, width) < WINDOW:
        raise UsageError(f"SSIM's window is {WINDOW} pixels wide and the pictures are {height} x {width}; take larger ones.")
