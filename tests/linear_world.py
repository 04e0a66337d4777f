"""A linear world, codes = sign(W x + b): the least change that flips a bit is known in closed form."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from crossattack.attacks import AttackContext, Pictures
from crossattack.catalogue import Catalogue
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.ledger import Ledger
from crossattack.oracle import LocalEndpoint, Oracle, Reveals
from crossattack.progress import Silent
from crossattack.streams import Streams
from crossattack.targets import Similarity
from surrogates.texts import Texts

SHAPE = (3, 6, 6)


@dataclass(frozen=True)
class LinearTarget:
    """Relaxed codes tanh(W x + b) of pictures, x in [0, 1]; a text is a number, which has a code at random."""

    weights: Tensor  # (bits, values)
    bias: Tensor  # (bits,)
    similarity: Similarity = Similarity.HAMMING
    digest: str = "f" * 16

    @property
    def dim(self) -> int:
        return len(self.bias)

    def encode_images(self, images: Tensor) -> Tensor:
        return torch.tanh(images.flatten(1) @ self.weights.T + self.bias)

    def encode_texts(self, texts: Texts) -> Tensor:
        rows = [torch.randn(self.dim, generator=torch.Generator().manual_seed(int(text))) for text in texts]
        return torch.tanh(torch.stack(rows))

    def least_eps(self, images: Tensor) -> Tensor:
        """Of each uint8 picture, the least L-infinity change in [0, 1] that flips a bit: |w x + b| / |w|_1 of the cheapest."""
        margins = (images.flatten(1).float() / 255) @ self.weights.T + self.bias
        return (margins.abs() / self.weights.abs().sum(1)).min(1).values


def linear_target(images: Tensor, bits: int = 4, least: float = 0.02, seed: int = 0) -> LinearTarget:
    """Random weights; one bit of the first picture can be flipped at `least` and not before, the others at four times that."""
    weights = torch.randn(bits, images[0].numel(), generator=torch.Generator().manual_seed(seed)) / 8
    here = weights @ (images[0].flatten().float() / 255)
    signs = harden(torch.randn(1, bits, generator=torch.Generator().manual_seed(seed + 1)))[0]
    margins = torch.full((bits,), 4 * least)
    margins[0] = least
    return LinearTarget(weights, signs * margins * weights.abs().sum(1) - here)


def grey_pictures(items: int, seed: int = 0) -> Tensor:
    """uint8 pictures whose values are far from black and white, so that no ball meets a wall."""
    return torch.randint(90, 166, (items, *SHAPE), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@dataclass(frozen=True)
class LinearWorld:
    """What a test looks at."""

    target: LinearTarget
    ledger: Ledger
    context: AttackContext
    pictures: Pictures

    def bits_flipped(self, changed: Tensor) -> Tensor:
        """Of each picture."""
        before, after = (harden(encode(self.target, "images", images)) for images in (self.pictures.values, changed))
        return (before != after).sum(1)


@contextmanager
def linear_world(
    folder: Path,
    *,
    reveals: Reveals = Reveals.FEATURES,
    items: int = 1,
    budget: int = 8000,
    per_item: int | None = None,
    bits: int = 4,
    least: float = 0.02,
    top_k: int | None = None,
    attacked: int | None = None,
    seed: int = 0,
) -> Iterator[LinearWorld]:
    """An attacker in front of a linear target that searches 40 random codes."""
    folder.mkdir(exist_ok=True)
    images = grey_pictures(items)
    target = linear_target(images, bits, least)
    texts = [str(number) for number in range(40)]
    shop = grey_pictures(40, seed=1)
    catalogue = Catalogue(shop, texts, *(harden(encode(target, side, values)) for side, values in (("images", shop), ("texts", texts))))
    endpoint = LocalEndpoint(target, reveals, batch_size=32, catalogue=catalogue, top_k=top_k)
    with Ledger.open(folder / "ledger.sqlite", target_digest=target.digest) as ledger:
        oracle, count = Oracle(ledger, endpoint, budget=budget, per_item=per_item), attacked or items
        wanted = {"images": torch.zeros(count, dtype=torch.int64), "texts": torch.zeros(count, dtype=torch.int64)}
        context = AttackContext(oracle, shop, tuple(texts), Streams(seed), "cpu", Silent(), folder, count, wanted)
        yield LinearWorld(target, ledger, context, Pictures(tuple(range(items)), images))
