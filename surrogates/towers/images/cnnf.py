"""CNN-F, the picture network of the DCMH paper and of its successors before 2020."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from surrogates.towers._weights import load_into


class Cnnf(nn.Module):
    """CNN-F ("VGG-F") up to fc7, 4,096 features, for pictures of 224 pixels (others are resized to that).

    `weights` may be the path of MatConvNet's `imagenet-vgg-f.mat`; its mean picture is kept in the state, because a
    network saved without it answers differently after loading.

    Paper: Chatfield, Simonyan, Vedaldi, Zisserman, "Return of the Devil in the Details", BMVC 2014. Differs from the
    PyTorch ports that circulate: local response normalisation over 5 channels (alpha 5e-4 divided by 5) as in the
    original, where the ports use 2; height and width are not exchanged.
    """

    features = 4096
    own_weights = "none"
    mean: Tensor

    def __init__(self, weights: str = "none") -> None:
        super().__init__()
        if weights == "default":
            wanted = "ImageNet weights of cnnf wanted, no package brings them"
            raise ValueError(f"{wanted}; give the path of imagenet-vgg-f.mat, say none, or choose another tower")
        norm = [nn.ReLU(inplace=True), nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.75, k=2)]
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, 4), *norm, nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 256, 5, 1, 2), nn.ReLU(inplace=True), norm[1], nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(256, 4096, 6), nn.ReLU(inplace=True)),
            *(nn.Conv2d(4096, 4096, 1), nn.ReLU(inplace=True)),
        )
        self.register_buffer("mean", torch.full((3, 224, 224), 120.0))  # pixels of 0..255; replaced by the file's
        if weights.endswith(".mat"):
            self._load_mat(weights)
        elif weights != "none":
            load_into(self, weights)

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features"]:
        if images.shape[-2:] != (224, 224):
            images = functional.interpolate(images, size=(224, 224), mode="bilinear", antialias=True)
        return self.layers(images * 255 - self.mean).flatten(1)  # type: ignore[no-any-return]

    def _load_mat(self, path: str) -> None:
        """MatConvNet's file: filters are (height, width, in, out), the mean picture (height, width, channel)."""
        from scipy.io import loadmat

        if not Path(path).is_file():
            wanted = f"MatConvNet's imagenet-vgg-f.mat wanted, no file at {path}"
            raise ValueError(f"{wanted}; put it there, give another path, or say none to start from scratch")
        try:
            content = loadmat(path, squeeze_me=True, struct_as_record=False)
            filters = {layer.name: layer.weights for layer in content["layers"] if getattr(layer, "type", "") == "conv"}
            mean = content["meta"].normalization.averageImage if "meta" in content else content["normalization"].averageImage
            names = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
            layers = [layer for layer in self.layers if isinstance(layer, nn.Conv2d)]
            for name, layer in zip(names, layers, strict=True):
                weight, bias = (torch.as_tensor(part).float() for part in filters[name])
                layer.weight.data.copy_(weight.reshape(*layer.kernel_size, layer.in_channels, layer.out_channels).permute(3, 2, 0, 1))
                layer.bias.data.copy_(bias.flatten())  # type: ignore[union-attr]
            self.mean.copy_(torch.as_tensor(mean).float().permute(2, 0, 1))
        except (OSError, ValueError, KeyError, AttributeError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"MatConvNet's imagenet-vgg-f.mat wanted, {path} is not one: {error}") from error
