"""A linear hashing world: codes = sign(w . x + b), relaxed codes tanh(sharpness (w . x + b)). Every cheapest change is known.

Pictures stay within [0.3, 0.7], so that nothing is clipped while a radius is below 0.3; all is in double precision.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.attacks._balls import Ball, Norm
from crossattack.objectives import Known, Loss, View
from surrogates.texts import Texts

LOW, HIGH = 0.3, 0.7


@dataclass(frozen=True)
class LinearWorld:
    """A linear encoder of pictures and of bags of words over its vocabulary, and the pictures to attack."""

    weights: Float[Tensor, "bits 3 height width"]
    shift: Float[Tensor, " bits"]
    word_weights: Float[Tensor, "bits words"]
    vocabulary: tuple[str, ...]
    images: Float[Tensor, "items 3 height width"]
    sharpness: float

    def project_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        """How far each picture lies from the plane of each bit, times the length of the bit's weights."""
        return images.double().flatten(1) @ self.weights.flatten(1).T + self.shift

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        """Pictures in [0, 1] -> relaxed codes."""
        return torch.tanh(self.sharpness * self.project_images(images))

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items bits"]:
        """Bags of words -> relaxed codes."""
        raise AssertionError(f"no texts are attacked here, {len(texts)} got")

    def sizes(self, norm: Norm) -> Float[Tensor, " bits"]:
        """What a change of radius one can do to each projection: the norm of its weights that is dual to the ball's."""
        return self.weights.flatten(1).norm(p=1 if norm == "linf" else 2, dim=1)

    def least_eps(self, norm: Norm) -> Float[Tensor, "items bits"]:
        """The smallest radius at which each bit of each picture can be turned."""
        return self.project_images(self.images).abs() / self.sizes(norm)

    def best_drop(self, pull: Float[Tensor, "items bits"], eps: float, norm: Norm) -> Float[Tensor, " items"]:
        """The most that a loss with this slope in the projections, the same everywhere, can fall within eps."""
        total = (pull @ self.weights.flatten(1)).norm(p=1 if norm == "linf" else 2, dim=1)
        return eps * total

    def ball(self, eps: float, norm: Norm) -> Ball:
        """Around the pictures, of any radius: not only whole grey levels."""
        return Ball(self.images, (self.images - eps).clamp(min=0), (self.images + eps).clamp(max=1), eps, norm)


def linear_world(*, items: int = 8, bits: int = 12, pixels: int = 12, sharpness: float = 1.0, seed: int = 0) -> LinearWorld:
    """Random weights, alike at neighbouring pixels as those of networks are; pictures near the planes of all bits."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(bits, 3, pixels + 1, pixels + 1, generator=generator, dtype=torch.float64)
    weights = torch.nn.functional.avg_pool2d(weights, 2, stride=1)
    images = LOW + (HIGH - LOW) * torch.rand(items, 3, pixels, pixels, generator=generator, dtype=torch.float64)
    shift = -(weights / 2).flatten(1).sum(1)  # the grey picture lies on every plane
    return LinearWorld(weights, shift, torch.zeros(bits, 1, dtype=torch.float64), ("word",), images, sharpness)


def seen(world: LinearWorld, known: int = 40, seed: int = 1) -> View:
    """What is known of the pictures: random codes of both modalities, of which random ones are relevant, irrelevant, wanted, or nothing."""
    generator = torch.Generator().manual_seed(seed)
    items, bits = len(world.images), len(world.weights)

    def side() -> Known:
        codes = torch.randint(0, 2, (known, bits), generator=generator).double() * 2 - 1
        relevant = torch.rand(items, known, generator=generator, dtype=torch.float64)
        relevant = relevant * (relevant > 0.6)
        wanted = (torch.rand(items, known, generator=generator) < 0.2).double()
        wanted[:, 0] = 1
        drawn = torch.randint(0, known, (items, 32), generator=generator)
        neither = torch.rand(items, known, generator=generator) < 0.3
        return Known(codes, relevant, ((relevant == 0) & ~neither).double(), wanted, drawn)

    other, same = side(), side()
    return View(world.encode_images(world.images), other, same, other.codes[:2])


def one_bit(world: LinearWorld, norm: Norm) -> tuple[Loss, Float[Tensor, " items"]]:
    """The margin of each picture's cheapest bit, to be lowered below zero, and the least radius that does."""
    least, cheapest = world.least_eps(norm).min(1)
    rows = torch.arange(len(least))
    side = world.project_images(world.images)[rows, cheapest].sign()
    return lambda relaxed: relaxed[rows, cheapest] * side, least
