"""A linear target and pictures for it: small enough to know every answer beforehand."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from crossattack.errors import TargetError
from crossattack.targets import Similarity
from surrogates.texts import Bags, Texts, words_of

BITS, SIDE = 16, 4


@dataclass
class LinearTarget:
    """tanh(Wx) for pictures, hashed words for texts; it notes every batch that reaches it."""

    similarity: Similarity = Similarity.HAMMING
    digest: str = "0123456789abcdef"
    dim: int = BITS
    batches: list[int] = field(default_factory=list)
    fails_at: int = -1

    def encode_images(self, images: Tensor) -> Tensor:
        self._note(len(images))
        weights = torch.randn(BITS, 3 * SIDE * SIDE, generator=torch.Generator().manual_seed(0))
        return torch.tanh((images - 0.5).flatten(1) @ weights.T)

    def encode_texts(self, texts: Texts) -> Tensor:
        self._note(len(texts))
        if isinstance(texts, Bags):
            return torch.tanh(texts.weights @ torch.randn(len(texts.words), BITS, generator=torch.Generator().manual_seed(1)))
        return torch.stack([sum((self._word(word) for word in words_of(text)), torch.zeros(BITS)) for text in texts]).tanh()

    def _word(self, word: str) -> Tensor:
        return torch.randn(BITS, generator=torch.Generator().manual_seed(int.from_bytes(word.encode(), "big") % 2**31))

    def _note(self, items: int) -> None:
        if len(self.batches) == self.fails_at:
            self.fails_at = -1
            raise TargetError("the target was switched off; try again.")
        self.batches.append(items)


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
