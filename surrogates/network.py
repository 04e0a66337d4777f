"""Two towers, two hash heads, one space of relaxed codes."""

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn, tanh

from surrogates._files import as_bytes, read_back
from surrogates.texts import Embedded, Texts
from surrogates.towers import EmbeddingTower, image_tower, text_tower, text_tower_for


class HashingNetwork(nn.Module):
    """An image tower and a text tower with a hash head each: linear, or hidden layers of these widths and then linear.

    `project_*` gives the heads' unbounded outputs, (items, bits); `encode_*` gives relaxed codes, their tanh.
    front: what pictures go through first, if anything; no part of its file.
    """

    front: Callable[[Tensor], Tensor] | None = None

    def __init__(
        self, image: str, text: str, bits: int, *, text_settings: dict[str, Any], weights: str = "none", hidden: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.bits, self._hidden = bits, list(hidden)
        self._names = {"image_tower": image, "text_tower": text.partition(":")[0]}
        self.image_tower, self.text_tower = image_tower(image, weights), text_tower(text, **text_settings)
        self.from_scratch = weights == "none" or (weights == "own" and self.image_tower.own_weights == "none")
        self.image_head, self.text_head = (_head(tower.features, hidden, bits) for tower in (self.image_tower, self.text_tower))

    @property
    def pretrained(self) -> nn.Module:
        """What may start from trained weights, and then learns at a rate of its own."""
        return self.image_tower  # type: ignore[no-any-return]

    def look_at_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features"]:
        """What the image tower makes of pictures, behind what stands in front of it."""
        return self.image_tower(images if self.front is None else self.front(images))  # type: ignore[no-any-return]

    def project_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        return self.image_head(self.look_at_images(images))  # type: ignore[no-any-return]

    def project_texts(self, texts: Texts | Embedded) -> Float[Tensor, "items bits"]:
        return self.text_head(self.text_tower(texts))  # type: ignore[no-any-return]

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        """Pictures in [0, 1] -> relaxed codes."""
        return tanh(self.project_images(images))

    def encode_texts(self, texts: Texts | Embedded) -> Float[Tensor, "items bits"]:
        """Texts -> relaxed codes."""
        return tanh(self.project_texts(texts))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words that its bags of words know; none where its texts are no bags."""
        return tuple(getattr(self.text_tower, "vocabulary", ()))

    @property
    def embeddings(self) -> EmbeddingTower | None:
        """The text tower where gradients can be taken at its words' vectors; None where it has none."""
        return self.text_tower if isinstance(self.text_tower, EmbeddingTower) else None

    @property
    def settings(self) -> dict[str, Any]:
        """What builds this architecture again, fit for JSON."""
        hidden = {"hidden": self._hidden} if self._hidden else {}
        return {**self._names, "bits": self.bits, "text_settings": self.text_tower.settings, **hidden}


def _head(features: int, hidden: Sequence[int], bits: int) -> nn.Module:
    """Features -> bits. One linear layer stands alone, so that the files of networks without hidden layers stay as they are."""
    if not hidden:
        return nn.Linear(features, bits)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((features, *hidden)):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], bits))


def network_for(texts: Texts, *, image: str, text: str, bits: int, weights: str, hidden: Sequence[int] = ()) -> HashingNetwork:
    """A fresh network whose vocabulary (where its text tower has one) is read off these texts; "name:folder" as in `text_tower_for`."""
    tower = text_tower_for(text, texts)
    network = HashingNetwork(image, text, bits, text_settings=tower.settings, weights=weights, hidden=hidden)
    if getattr(tower, "starts_trained", False):
        network.text_tower = tower
    return network


def to_bytes(network: HashingNetwork) -> bytes:
    """The network as one safetensors file, architecture included. Equal networks give equal bytes."""
    return as_bytes(network, network.settings, "settings")


def from_file(path: Path) -> HashingNetwork:
    """The network that a file of `to_bytes` holds, in evaluation mode. ValueError where the file is not one."""

    def build(settings: dict[str, Any]) -> HashingNetwork:
        towers, words, hidden = (settings["image_tower"], settings["text_tower"]), settings["text_settings"], settings.get("hidden", ())
        return HashingNetwork(*towers, settings["bits"], text_settings=words, hidden=hidden)

    return read_back(path, "settings", build, "a hashing network")


def weights_digest(network: nn.Module) -> str:
    """Sixteen hexadecimal digits that tell these weights from any others."""
    running = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        running.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return running.hexdigest()[:16]
