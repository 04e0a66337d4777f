"""A linear hashing world, in which the best change of a picture is known: features Wx, codes sign(Wx)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from worlds import World, attackers_world

from crossattack.attacks import Pictures
from crossattack.targets import Similarity
from surrogates.texts import Bags, Texts, words_of

WORDS = ("red", "green", "blue", "square", "circle", "left", "right", "above")


@dataclass(frozen=True)
class Linear:
    """Relaxed codes are W (x - 1/2), unbounded; of a text, the sum over its words of a vector each."""

    weights: Float[Tensor, "bits values"]
    words: Float[Tensor, "bits words"]
    digest: str = "linear"

    @property
    def dim(self) -> int:
        return len(self.weights)

    @property
    def similarity(self) -> Similarity:
        return Similarity.HAMMING

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return WORDS

    def encode_images(self, images: Tensor) -> Tensor:
        return (images.flatten(1) - 0.5) @ self.weights.T.to(images.dtype)

    def encode_texts(self, texts: Texts) -> Tensor:
        if isinstance(texts, Bags):
            return texts.weights[:, : len(WORDS)] @ self.words.T
        return torch.stack(
            [sum((self.words[:, WORDS.index(word)] for word in words_of(text) if word in WORDS), torch.zeros(self.dim)) for text in texts]
        )


def linear(bits: int, *, shrink: float = 1.0, pixels: int = 16, seed: int = 0) -> Linear:
    """Random directions; that of bit k has length `shrink` ** k."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(bits, 3 * pixels * pixels, generator=generator)
    lengths = shrink ** torch.arange(bits)[:, None]
    return Linear(lengths * weights / weights.norm(dim=1, keepdim=True), torch.randn(bits, len(WORDS), generator=generator))


@contextmanager
def linear_world(folder: Path, target: Linear, **settings: Any) -> Iterator[World]:
    """This target on small scenes; `world.target.weights` is W."""
    with attackers_world(folder, target=target, **settings) as world:  # type: ignore[arg-type]
        yield world


def grey(items: int, pixels: int = 16) -> Pictures:
    """Pictures of one grey, so that nothing is clipped."""
    return Pictures(tuple(range(items)), torch.full((items, 3, pixels, pixels), 128, dtype=torch.uint8))
