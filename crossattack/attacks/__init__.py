"""Attacks: one file each, a frozen dataclass of hyper-parameters with `fit(context) -> perturb`.

`perturb(items)` changes a batch of attacked items and says how each ended. What an attack may see is in its context: an
oracle on a budget, the attacker's own pairs, surrogates trained on what the oracle answered, and the target itself only
where the threat model grants it. How the items are cut into batches never changes the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor

from crossattack.attacks._context import AttackContext as AttackContext
from crossattack.attacks._context import OpenEncoder as OpenEncoder
from crossattack.attacks._context import WhiteBox as WhiteBox
from crossattack.ledger import Modality
from surrogates.texts import Texts

Family: TypeAlias = Literal["control", "gradient", "surrogate", "generator", "classic", "queries", "text"]  # as the docs sort them


@dataclass(frozen=True)
class Needs:
    """What an attack cannot do without, and the kinds of answers it can use; asked for before anything is spent.

    gradients: those of a surrogate, or of the target itself where the threat model grants it. embeddings: gradients at the
    vectors of words, so that the network followed has a text tower with such. queries: answers to changed items, time and
    again, so that each attacked item has its share of the budget; such an attack may find nothing better than the clean item.
    pairs: sees the other half of each attacked item. changes: what it changes; items of the other modality come back as they are.
    """

    surrogate: bool = False
    white_box: bool = False
    gradients: bool = False
    queries: bool = False
    embeddings: bool = False
    pairs: bool = False
    changes: tuple[Modality, ...] = ("images", "texts")
    reveals: tuple[str, ...] = ("codes", "ranking", "features")


class Status(Enum):
    """How an attacked item ended; the value is the sentence shown to the user."""

    SUCCEEDED = "paid answers show that it left its place"
    FAILED = "paid answers show that it did not leave its place"
    EXHAUSTED = "the budget ended before the attack did; this is the best found"
    ERROR = "the target refused it; the clean item is kept"
    UNVERIFIED = "the attack asked the target nothing about it"


@dataclass(frozen=True)
class Pictures:
    """Attacked pictures as files hold them. `ids[i]`, the position among the attacked items, names item i's randomness."""

    ids: tuple[int, ...]
    values: UInt8[Tensor, "items 3 height width"]


@dataclass(frozen=True)
class Words:
    """Attacked texts as people send them."""

    ids: tuple[int, ...]
    values: Texts


Items: TypeAlias = Pictures | Words


@dataclass(frozen=True)
class Perturbed:
    """Changed items in the order they came, and how each ended.

    `realisable` is False where the change exists only in feature space (weights of a bag of words), so that nobody could
    send it to a service.
    """

    items: Items
    status: tuple[Status, ...]
    realisable: bool = True


Perturb: TypeAlias = Callable[[Items], Perturbed]


def unasked(items: Items, *, realisable: bool = True) -> Perturbed:
    """Items, changed or not, about which the target was asked nothing."""
    return Perturbed(items, (Status.UNVERIFIED,) * len(items.ids), realisable)


@runtime_checkable
class Attack(Protocol):
    """What a file of this folder holds."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    family: ClassVar[Family]
    needs: ClassVar[Needs]

    def fit(self, context: AttackContext) -> Perturb:
        """Do what is done once (mine, train), and return what changes items."""
        ...
