"""Endpoints: the far side of the oracle, where items go and answers come from.

A target in this process is one (`oracle.LocalEndpoint`), a service behind HTTP is another. Both say their terms before they
are asked anything, and both may fail item by item: what failed stays in doubt in the ledger and is sent again, under
the same idempotency key, when it is asked for again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor

from crossattack.errors import CrossattackError
from crossattack.ledger import Modality
from surrogates.texts import Texts

Images: TypeAlias = UInt8[Tensor, "items 3 height width"]


class Similarity(Enum):
    """How a target compares what it makes of two items."""

    HAMMING = "hamming"
    COSINE = "cosine"
    EUCLIDEAN = "euclidean"
    SCORES = "scores"


class Reveals(Enum):
    """What an answer shows. `Reveals("codes").sentence` says it to a person."""

    CODES = "codes", "the K bits of the item, each -1 or +1"
    RANKING = "ranking", "the ids of the top k of the target's own database, in the target's order"
    FEATURES = "features", "the item's feature, as the target computes it"
    SCORES = "scores", "one score a class"

    sentence: str

    def __new__(cls, word: str, sentence: str) -> "Reveals":
        member = object.__new__(cls)
        member._value_, member.sentence = word, sentence
        return member


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an endpoint says of itself before it is asked anything."""

    digest: str  # of its target; a ledger is one target's
    reveals: Reveals
    dim: int  # bits of a code, length of a feature, ids in a list
    batch_size: int  # items a request may hold
    takes_bags: bool  # bags of words are feature space, which nobody can send to a service
    database: int | None = None  # items that a list is the head of, where the endpoint says
    known_for: float = math.inf  # seconds for which a repeated item is known by its key and not counted again; 0: never

    @property
    def said(self) -> str:
        """What an account of the ledger is shown; k belongs to it."""
        return f"ranking, top {self.dim}" if self.reveals is Reveals.RANKING else self.reveals.value


@dataclass(frozen=True)
class Request:
    """Items to be answered, each with the key under which a service may recognise that it has answered it before.

    `charge_again(positions)` is to be called before items are sent again that the service may have counted already and
    does not know by their keys; it raises where the budget does not cover that.
    """

    modality: Modality
    items: Images | Texts
    idempotency_keys: tuple[str, ...]
    charge_again: Callable[[Sequence[int]], None] = lambda positions: None


Reply: TypeAlias = Sequence[np.ndarray[Any, np.dtype[Any]] | CrossattackError]  # an answer of length `dim` an item, or what went wrong


@runtime_checkable
class Endpoint(Protocol):
    """Where requests go."""

    @property
    def terms(self) -> Terms:
        """What it says of itself."""
        ...

    def answer(self, request: Request) -> Reply:
        """One answer or one failure an item, in order. Raises where the whole request failed."""
        ...


@runtime_checkable
class Showcase(Protocol):
    """An endpoint whose lists come with what they list, as a user of the service sees it."""

    def shown_images(self, ids: Int64[Tensor, " shown"]) -> Images:
        """The database's pictures with these ids."""
        ...

    def shown_texts(self, ids: Int64[Tensor, " shown"]) -> Texts:
        """The database's texts with these ids."""
        ...
