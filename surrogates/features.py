"""A picture network that makes features: a tower's maps under generalised-mean pooling, at length one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates._files import as_bytes, read_back
from surrogates.texts import Texts
from surrogates.towers import image_tower

LEAST = 1e-6  # of a map's value: the roots of zero have no slope


class FeatureNetwork(nn.Module):
    """Pictures -> features of length one, (items, dim): `f_c = (mean over places of max(x_c, 1e-6)^p)^(1/p)`, then a linear head if any.

    pooling: p, learned with the rest; 1 is the mean, large is the maximum. dim: of the head; None for none. front: what
    pictures go through first, if anything; no part of its file.

    Paper: Radenovic, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", IEEE TPAMI 2018.
    """

    front: Callable[[Tensor], Tensor] | None = None

    def __init__(self, image: str, *, weights: str = "none", pooling: float = 3.0, dim: int | None = None) -> None:
        super().__init__()
        self._name, self._dim = image, dim
        self.image_tower = image_tower(image, weights)
        if not hasattr(self.image_tower, "maps"):
            raise ValueError(f"a picture tower with feature maps wanted, {image} has none; convnet, efficientnet_lite0 and resnets have")
        self.from_scratch = weights == "none" or (weights == "own" and self.image_tower.own_weights == "none")
        self.pooling = nn.Parameter(torch.tensor(float(pooling)))
        self.channels = _channels(self.image_tower)
        self.head = nn.Linear(self.channels, dim) if dim else nn.Identity()

    @property
    def pretrained(self) -> nn.Module:
        """What may start from trained weights, and then learns at a rate of its own."""
        return self.image_tower  # type: ignore[no-any-return]

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return self._dim or self.channels

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """None: it reads no words."""
        return ()

    @property
    def settings(self) -> dict[str, Any]:
        """What builds this architecture again, fit for JSON."""
        return {"image_tower": self._name, "dim": self._dim}

    def project_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        """Features before they are brought to length one."""
        shown = images if self.front is None else self.front(images)
        maps = self.image_tower.maps(shown).clamp(min=LEAST)  # (items, channels, rows, columns)
        return self.head(maps.pow(self.pooling).mean((2, 3)).pow(1 / self.pooling))  # type: ignore[no-any-return]

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        """Pictures in [0, 1] -> features of length one."""
        return nn.functional.normalize(self.project_images(images), dim=1)

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        """It has no texts."""
        raise ValueError("pictures wanted, texts got: a network of features reads pictures alone")


def _channels(tower: Any) -> int:
    """How many maps a tower makes, which need not be how many features it pools them to."""
    was_training = tower.training
    with torch.no_grad():
        found = tower.eval().maps(torch.zeros(1, 3, 64, 64)).shape[1]
    tower.train(was_training)
    return int(found)


def to_bytes(network: FeatureNetwork) -> bytes:
    """The network as one safetensors file, architecture included. Equal networks give equal bytes."""
    return as_bytes(network, network.settings, "features")


def from_file(path: Path) -> FeatureNetwork:
    """The network that a file of `to_bytes` holds, in evaluation mode. ValueError where the file is not one."""
    return read_back(
        path, "features", lambda settings: FeatureNetwork(settings["image_tower"], dim=settings["dim"]), "a network of features"
    )
