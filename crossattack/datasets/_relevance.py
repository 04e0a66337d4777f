"""What is right for a query, and what is neither right nor wrong."""

from typing import TypeAlias

from jaxtyping import Bool
from numpy import ndarray

from crossattack.datasets import Pairs
from crossattack.metrics.ranking import share_a_label

Mask: TypeAlias = Bool[ndarray, "queries items"]


def relevance(query: Pairs, database: Pairs) -> tuple[Mask, Mask | None]:
    """Which items share a label with which query, and which are out of its ranking; None where there is no junk at all."""
    right = share_a_label(query.labels, database.labels)
    if query.junk is None or database.junk is None:
        return right, None
    return right, share_a_label(query.junk, database.junk)
