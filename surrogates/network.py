"""Two towers, two hash heads, one space of relaxed codes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn, tanh

from surrogates.texts import Embedded, Texts
from surrogates.towers import EmbeddingTower, image_tower, text_tower, text_tower_for


class HashingNetwork(nn.Module):
    """An image tower and a text tower with a linear hash head each.

    `project_*` gives the heads' unbounded outputs, (items, bits); `encode_*` gives relaxed codes, their tanh.
    """

    def __init__(self, image: str, text: str, bits: int, *, text_settings: dict[str, Any], weights: str = "none") -> None:
        super().__init__()
        self.bits, self._names = bits, {"image_tower": image, "text_tower": text.partition(":")[0]}
        self.image_tower, self.text_tower = image_tower(image, weights), text_tower(text, **text_settings)
        self.from_scratch = weights == "none" or (weights == "own" and self.image_tower.own_weights == "none")
        self.image_head, self.text_head = nn.Linear(self.image_tower.features, bits), nn.Linear(self.text_tower.features, bits)

    def project_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        return self.image_head(self.image_tower(images))  # type: ignore[no-any-return]

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
        return {**self._names, "bits": self.bits, "text_settings": self.text_tower.settings}


def network_for(texts: Texts, *, image: str, text: str, bits: int, weights: str) -> HashingNetwork:
    """A fresh network whose vocabulary (where its text tower has one) is read off these texts; "name:folder" as in `text_tower_for`."""
    tower = text_tower_for(text, texts)
    network = HashingNetwork(image, text, bits, text_settings=tower.settings, weights=weights)
    if getattr(tower, "starts_trained", False):
        network.text_tower = tower
    return network


def to_bytes(network: HashingNetwork) -> bytes:
    """The network as one safetensors file, architecture included. Equal networks give equal bytes."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return save(state, {"settings": json.dumps(network.settings, sort_keys=True)})


def from_file(path: Path) -> HashingNetwork:
    """The network that a file of `to_bytes` holds, in evaluation mode. ValueError where the file is not one."""
    try:
        with safe_open(path, framework="pt") as file:
            settings = json.loads((file.metadata() or {})["settings"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
        network = HashingNetwork(settings["image_tower"], settings["text_tower"], settings["bits"], text_settings=settings["text_settings"])
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"a hashing network wanted, {path} holds none: {(str(error).splitlines() or [type(error).__name__])[0]}"
        ) from error
    return network.eval().to(memory_format=torch.channels_last)


def weights_digest(network: nn.Module) -> str:
    """Sixteen hexadecimal digits that tell these weights from any others."""
    running = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        running.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return running.hexdigest()[:16]
