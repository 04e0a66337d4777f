"""A small convolutional network from scratch, for tests and for machines in a hurry."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.towers._weights import load_into


class Convnet(nn.Module):
    """Four strided 3x3 convolutions with batch normalisation, pooled to 256 features; for pictures of any size."""

    features = 256
    own_weights = "none"

    def __init__(self, weights: str = "none") -> None:
        super().__init__()
        if weights == "default":
            wanted = "ImageNet weights of convnet wanted, there are none"
            raise ValueError(f"{wanted}; set `weights` to the path of a file, say none, or choose another tower")
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 64), (64, 128), (128, 256)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        if weights != "none":
            load_into(self, weights)

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features"]:
        maps = self.maps(images)
        return (maps.mean((2, 3)) + maps.amax((2, 3))) / torch.tensor(2.0)

    def maps(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features rows columns"]:
        """What is pooled, at a sixteenth of the size."""
        return self.layers(images * 2 - 1)  # type: ignore[no-any-return]
