"""Any classification network of torchvision as an image tower."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from surrogates.towers._weights import load_into

HEADS = ("fc", "classifier", "heads", "head")  # what torchvision calls the last layers
USUAL = {  # those that the field uses; read off this file by `crossattack list surrogates`, which imports nothing
    "alexnet": "AlexNet of torchvision, 4,096 features (Krizhevsky, Sutskever, Hinton, NeurIPS 2012).",
    "mobilenet_v2": "MobileNetV2 of torchvision, 1,280 features (Sandler et al., CVPR 2018).",
    "resnet18": "ResNet-18 of torchvision, 512 features (He, Zhang, Ren, Sun, CVPR 2016).",
    "resnet50": "ResNet-50 of torchvision, 2,048 features (He, Zhang, Ren, Sun, CVPR 2016).",
    "vgg11": "VGG-11 of torchvision, 4,096 features (Simonyan, Zisserman, ICLR 2015).",
    "vit_b_16": "Vision transformer ViT-B/16 of torchvision, 768 features (Dosovitskiy et al., ICLR 2021).",
}
LEAST = {"alexnet": 63, "vgg": 32}  # pixels, of networks that pool smaller pictures to nothing


class Torchvision(nn.Module):
    """A torchvision network up to the input of its last linear layer: `Torchvision("resnet18", weights="default")`.

    "default" reads ImageNet weights from torch's hub cache and never asks the network for them. Pictures are of any size; a
    vision transformer resizes them to its own, and those that are too small for a network are made large enough.
    """

    own_weights = "none"
    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, weights: str = "none") -> None:
        super().__init__()
        import torchvision

        known = torchvision.models.list_models(module=torchvision.models)
        if name not in known:
            raise ValueError(f"{name!r} is neither a file of surrogates/towers/images nor one of torchvision's: {', '.join(known)}")
        self.network = torchvision.models.get_model(name, weights=None)
        if weights != "none":
            load_into(self.network, cached(name) if weights == "default" else weights)
        self._side = getattr(self.network, "image_size", None)
        self._least = next((pixels for family, pixels in LEAST.items() if name.startswith(family)), 1)
        self.features = self._behead()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features"]:
        return self.network(self._fitted(images))  # type: ignore[no-any-return]

    @property
    def maps(self) -> Callable[[Tensor], Tensor]:
        """Pictures -> what is pooled, where the network has feature maps; AttributeError where it has none."""
        layers = getattr(self.network, "features", None)
        if layers is None and hasattr(self.network, "layer4"):  # a resnet, whose last two children pool and classify
            layers = nn.Sequential(*list(self.network.children())[:-2])
        if layers is None:
            raise AttributeError("a network of torchvision without feature maps")
        return lambda images: layers(self._fitted(images))

    def _fitted(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items 3 rows columns"]:
        """Pictures normalised, at a size that the network takes."""
        height, width = images.shape[-2:]
        size = (self._side, self._side) if self._side else (max(height, self._least), max(width, self._least))
        if size != (height, width):
            images = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
        return (images - self.mean) / self.deviation

    def _behead(self) -> int:
        """Replace the last linear layer by nothing; how many features come out."""
        attribute = next(head for head in HEADS if hasattr(self.network, head))
        head = getattr(self.network, attribute)
        if isinstance(head, nn.Linear):
            setattr(self.network, attribute, nn.Identity())
            return int(head.in_features)
        position = max(i for i, layer in enumerate(head) if isinstance(layer, nn.Linear))
        width = int(head[position].in_features)
        head[position] = nn.Identity()
        return width


def cached(name: str) -> str:
    """The file of ImageNet weights in torch's hub cache, the newest release first; ValueError says the ways out where there is none."""
    import torchvision

    releases = torchvision.models.get_model_weights(name)
    files = [release.url.rsplit("/", 1)[-1] for release in (releases.DEFAULT, *releases)]
    folder = Path(torch.hub.get_dir(), "checkpoints")
    for file in files:
        if (folder / file).is_file():
            return str(folder / file)
    wanted = f"ImageNet weights of {name} wanted, none of {', '.join(dict.fromkeys(files))} in {folder}"
    raise ValueError(f"{wanted}; put one there, set `weights` to the path of a file, or to none to start from scratch")
