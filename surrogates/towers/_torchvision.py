"""Any classification network of torchvision as an image tower."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.towers._weights import load_into

HEADS = ("fc", "classifier", "heads", "head")  # what torchvision calls the last layers


class Torchvision(nn.Module):
    """A torchvision network up to the input of its last linear layer: `Torchvision("resnet18", weights="default")`.

    "default" reads ImageNet weights from torch's hub cache and never asks the network for them.
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
            load_into(self.network, _cached(name) if weights == "default" else weights)
        self.features = self._behead()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features"]:
        return self.network((images - self.mean) / self.deviation)  # type: ignore[no-any-return]

    @property
    def maps(self) -> Callable[[Tensor], Tensor]:
        """Pictures -> what is pooled, where the network has feature maps; AttributeError where it has none."""
        layers = getattr(self.network, "features", None)
        if layers is None and hasattr(self.network, "layer4"):  # a resnet, whose last two children pool and classify
            layers = nn.Sequential(*list(self.network.children())[:-2])
        if layers is None:
            raise AttributeError("a network of torchvision without feature maps")
        return lambda images: layers((images - self.mean) / self.deviation)

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


def _cached(name: str) -> str:
    """The file of ImageNet weights in torch's hub cache; ValueError says the ways out where it is not there."""
    import torchvision

    file = torchvision.models.get_model_weights(name).DEFAULT.url.rsplit("/", 1)[-1]
    folder = f"{torch.hub.get_dir()}/checkpoints"
    if not Path(folder, file).is_file():
        raise ValueError(f"ImageNet weights of {name}: no {file} in {folder}; put it there, or set `weights` to its path or to none")
    return f"{folder}/{file}"
