"""Generators of changes to pictures, and the discriminator that is to tell their pictures from real ones.

Small convolutional networks for pictures of 16 pixels and more, sides divisible by four. A generator codes a picture
at a quarter of its size, reworks it in residual blocks, and decodes it; each picture is normalised on its own, so what it
makes of one does not depend on the batch.

Paper: Choi, Choi, Kim, Ha, Kim, Choo, "StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image
Translation", CVPR 2018, for `Generator`; Mao, Li, Xie, Lau, Wang, Smolley, "Least Squares Generative Adversarial
Networks", ICCV 2017, for the losses that go with it.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

PATCH = 4  # pixels of a side


class Generator(nn.Module):
    """Pictures in [0, 1] -> values in [-1, 1] of the same shape, (items, 3, height, width)."""

    def __init__(self, width: int = 16, blocks: int = 6) -> None:
        super().__init__()
        wide = 4 * width
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 7, padding=3, bias=False),
            *_normed(width),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            *_normed(2 * width),
            nn.Conv2d(2 * width, wide, 4, 2, 1, bias=False),
            *_normed(wide),
            *(Residual(wide) for _ in range(blocks)),
            nn.ConvTranspose2d(wide, 2 * width, 4, 2, 1, bias=False),
            *_normed(2 * width),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            *_normed(width),
            nn.Conv2d(width, 3, 7, padding=3),
            nn.Tanh(),
        )

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items 3 height width"]:
        return self.layers(2 * images - 1)  # type: ignore[no-any-return]


class PatchGenerator(nn.Module):
    """Pictures in [0, 1] -> values in [-1, 1] of the same shape, made patch by patch: no layer works on single pixels.

    The 48 values of each patch of 4 x 4 pixels become its channels, so that nothing of it is lost and the costly layers are at
    a quarter of the size. What goes into the last tanh is normalised, as a change that is driven to its bounds everywhere has
    no slope left to learn from, and was then the same for all pictures.
    """

    def __init__(self, width: int = 64, blocks: int = 4) -> None:
        super().__init__()
        values = 3 * PATCH**2
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(PATCH),
            nn.Conv2d(values, width, 3, padding=1, bias=False),
            *_normed(width),
            *(Residual(width) for _ in range(blocks)),
            nn.ReLU(),
            nn.Conv2d(width, values, 3, padding=1, bias=False),
            nn.InstanceNorm2d(values, affine=True),
            nn.PixelShuffle(PATCH),
            nn.Tanh(),
        )

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items 3 height width"]:
        return self.layers(2 * images - 1)  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.layers = nn.Sequential(first, *_normed(width), second, nn.InstanceNorm2d(width, affine=True))

    def forward(self, features: Float[Tensor, "items width rows columns"]) -> Float[Tensor, "items width rows columns"]:
        return features + self.layers(features)  # type: ignore[no-any-return]


class Discriminator(nn.Module):
    """Pictures in [0, 1] -> one score each, (items,), of how real they look; five spectrally normalised convolutions."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(narrow, wide, 4, 2, 1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 1)))

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, " items"]:
        return self.layers(2 * images - 1).flatten(1).mean(1)  # type: ignore[no-any-return]


def _normed(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(width, affine=True), nn.ReLU(inplace=True)
