"""Models as a user brings them: what a file of theirs holds, named by dotted paths in tests."""

from typing import Any

import torch
from torch import Tensor, nn
from worlds import untrained_target

from crossattack.datasets import Pairs
from crossattack.targets import Similarity

BITS, SIDE = 12, 16


def directions(seed: int) -> Tensor:
    return torch.randn(3 * SIDE * SIDE, BITS, generator=torch.Generator().manual_seed(seed)) / SIDE


def codes_of_pictures(images: Tensor) -> Tensor:
    """The sign of a linear map: no gradients."""
    return ((images - 0.5).flatten(1) @ directions(0)).sign()


def codes_of_texts(texts: list[Any]) -> Any:
    """Bits by the letters of a text, as an array."""
    words = [text if isinstance(text, str) else " ".join(text) for text in texts]
    return torch.tensor([[1 if (sum(map(ord, word)) >> bit) & 1 else -1 for bit in range(BITS)] for word in words]).numpy()


def vectors_of_texts(texts: list[Any]) -> Tensor:
    return torch.from_numpy(codes_of_texts(texts)).float() / 3


def relaxed_pictures(images: Tensor) -> Tensor:
    return ((images - 0.5).flatten(1) @ directions(0)).tanh()


class Vectors(nn.Module):
    """Pictures -> vectors, with something that answers otherwise in training than in evaluation."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, BITS), nn.Dropout(0.5))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)  # type: ignore[no-any-return]


def network() -> Vectors:
    return Vectors()


def engine(train: Pairs, device: str, bits: int = BITS) -> Any:
    """A hashing network with everything that a target has."""
    return untrained_target(train, bits=bits)


class NoDigest:
    """Almost a target."""

    dim, similarity = BITS, Similarity.HAMMING
    vocabulary: tuple[str, ...] = ()

    def encode_images(self, images: Tensor) -> Tensor:
        return relaxed_pictures(images)

    def encode_texts(self, texts: Any) -> Tensor:
        return torch.from_numpy(codes_of_texts(texts)).float()


class TooWide(NoDigest):
    """A target that says one width and has another."""

    dim, digest = BITS + 1, "wide"


class Fails(NoDigest):
    """A target whose texts are not ready."""

    digest = "fails"

    def encode_texts(self, texts: Any) -> Tensor:
        raise KeyError("no vocabulary")


def broken() -> Any:
    raise RuntimeError("no such checkpoint:\nmodel.pt")
