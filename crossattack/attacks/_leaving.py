"""Leaving: when a changed item counts as gone from where the clean one was, by the network followed."""

from dataclasses import dataclass
from math import ceil, inf

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from crossattack.codes import harden
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.objectives import signs

ROOM = 0.02  # by how much the loss wants more than it takes


@dataclass(frozen=True)
class Leaving:
    """Some items' clean outputs, how they are compared, and how far from its own a changed item has to be.

    `least` is a share of the bits (Hamming), 1 less the cosine, in (0, 2], or a Euclidean length.
    """

    own: Float[Tensor, "items dim"]
    similarity: Similarity
    least: float

    def __post_init__(self) -> None:
        most = {Similarity.HAMMING: 1.0, Similarity.COSINE: 2.0}.get(self.similarity, inf)
        if self.similarity is Similarity.SCORES or not 0 < self.least <= most:
            wanted = f"a distance above 0 and at most {most:g} by {self.similarity.value}"
            raise UsageError(f"{wanted} wanted for `leave`, {self.least:g} got; ask for less.")

    @property
    def flat_start(self) -> bool:
        """Whether the clean items have no slope to follow: distances of features are least there, the bits of codes are not."""
        return self.similarity is not Similarity.HAMMING

    def gone(self, outputs: Float[Tensor, "items dim"]) -> Bool[Tensor, " items"]:
        """Whether each item is that far."""
        if self.similarity is Similarity.HAMMING:
            found: Tensor = (harden(outputs) != harden(self.own)).sum(1) >= self._bits()
            return found
        return self._distance(outputs) >= self.least

    def missing(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        """How much each item lacks of being that far, a little more than 0 when it has just left, 0 soon after; to be lowered.

        Of codes, what the bits lack that are nearest to turning, of which there are as many as have to be turned.
        """
        if self.similarity is not Similarity.HAMMING:
            return (self.least * (1 + ROOM) - self._distance(outputs)).clamp(min=0) / self.least
        kept = (outputs * signs(self.own)).topk(self._bits(), dim=1, largest=False).values
        return (kept + ROOM).clamp(min=0).mean(1)

    def _bits(self) -> int:
        return max(1, ceil(self.least * self.own.shape[1] - 1e-9))

    def _distance(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        if self.similarity is Similarity.COSINE:
            return 1 - cosine_similarity(outputs, self.own)
        return (outputs - self.own).square().sum(1).clamp(min=1e-24).sqrt()
