"""Leaving: when a changed item counts as gone from where the clean one was, by the network followed.

There is one kind for each way in which a network says what an item is: bits that have turned, a feature that is far from its own, a
class that is another's. Each is a value, a loss and a verdict together, that an attack takes whichever it is.
"""

from dataclasses import dataclass
from math import ceil, inf
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from crossattack.attacks import Items
from crossattack.attacks._context import AttackContext
from crossattack.codes import harden
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.objectives import signs

ROOM = 0.02  # by how much the loss wants more than it takes


@runtime_checkable
class Leaving(Protocol):
    """What some items have to do."""

    @property
    def flat_start(self) -> bool:
        """Whether the clean items have no slope to follow."""
        ...

    def gone(self, outputs: Float[Tensor, "items dim"]) -> Bool[Tensor, " items"]:
        """Whether each item is that far."""
        ...

    def missing(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        """How much each item lacks of being that far: about 1 at most of a clean one, little when it has just left, 0 soon after."""
        ...


@dataclass(frozen=True)
class TurnedBits:
    """At least this share of the bits of a code have turned. What is missing is of the bits that are nearest to turning."""

    own: Float[Tensor, "items dim"]
    share: float
    flat_start: ClassVar[bool] = False

    def gone(self, outputs: Float[Tensor, "items dim"]) -> Bool[Tensor, " items"]:
        """Whether so many bits are others."""
        found: Tensor = (harden(outputs) != harden(self.own)).sum(1) >= self._bits()
        return found

    def missing(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        """Of as many bits as have to turn, how far they are from it."""
        kept = (outputs * signs(self.own)).topk(self._bits(), dim=1, largest=False).values
        return (kept + ROOM).clamp(min=0).mean(1)

    def _bits(self) -> int:
        return max(1, ceil(self.share * self.own.shape[1] - 1e-9))


@dataclass(frozen=True)
class FarFeatures:
    """A feature at least so far from its own, by 1 less the cosine or by Euclidean length. Where it starts, the distance has no slope."""

    own: Float[Tensor, "items dim"]
    similarity: Similarity
    least: float
    flat_start: ClassVar[bool] = True

    def gone(self, outputs: Float[Tensor, "items dim"]) -> Bool[Tensor, " items"]:
        """Whether it is that far."""
        return self._distance(outputs) >= self.least

    def missing(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        """The share of the distance that is left."""
        return (self.least * (1 + ROOM) - self._distance(outputs)).clamp(min=0) / self.least

    def _distance(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        if self.similarity is Similarity.COSINE:
            return 1 - cosine_similarity(outputs, self.own)
        return (outputs - self.own).square().sum(1).clamp(min=1e-24).sqrt()


@dataclass(frozen=True)
class LostClasses:
    """Another class's score is at least so much above that of the true one, or of all true ones."""

    own: Float[Tensor, "items dim"]
    true: Bool[Tensor, "items dim"]
    least: float
    flat_start: ClassVar[bool] = False

    def gone(self, outputs: Float[Tensor, "items dim"]) -> Bool[Tensor, " items"]:
        """Whether it is."""
        return self._margin(outputs) <= -self.least

    def missing(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        """The share that is left of the way of the margin."""
        way = (self._margin(self.own) + self.least).clamp(min=self.least)
        return ((self._margin(outputs) + self.least) / way + ROOM).clamp(min=0)

    def _margin(self, outputs: Float[Tensor, "items dim"]) -> Float[Tensor, " items"]:
        """The best true class's score less the best other's."""
        return outputs.masked_fill(~self.true, -inf).amax(1) - outputs.masked_fill(self.true, -inf).amax(1)


def leaving_of(context: AttackContext, items: Items, own: Float[Tensor, "items dim"], similarity: Similarity, least: float) -> Leaving:
    """What these items have to do to be gone, where the network followed makes `own` of them and compares so.

    least: a share of the bits, in (0, 1]; 1 less the cosine, in (0, 2]; a Euclidean length; or a difference of scores.
    """
    most = {Similarity.HAMMING: 1.0, Similarity.COSINE: 2.0}.get(similarity, inf)
    if not 0 < least <= most:
        wanted = f"a distance above 0 and at most {most:g} by {similarity.value}"
        raise UsageError(f"{wanted} wanted for `leave`, {least:g} got; ask for less.")
    if similarity is Similarity.HAMMING:
        return TurnedBits(own, least)
    if similarity is not Similarity.SCORES:
        return FarFeatures(own, similarity, least)
    assert context.white_box is not None, "no surrogate makes scores"
    true = context.white_box.query_labels[list(items.ids)].to(own.device)
    if true.shape != own.shape or not true.any(1).all() or true.all(1).any():
        raise UsageError(f"labels of which each item has one of the {own.shape[1]} classes, and not all, wanted; others got.")
    return LostClasses(own, true, least)
