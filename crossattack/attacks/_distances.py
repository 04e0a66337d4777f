"""Distances of what a network makes of items, in the target's own way of comparing.

Each is differentiable, grows with unlikeness, and compares vectors along the last axis; the other axes broadcast.
"""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import cosine_similarity

from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from surrogates.losses import relaxed_distance

Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def distance_of(similarity: Similarity) -> Distance:
    """The distance that goes with a similarity.

    hamming     (K - <h, h'>) / 2K of relaxed codes of K bits, in [0, 1]; of hard codes the share of bits that differ
    cosine      (1 - cos) / 2, in [0, 1]
    euclidean   |f - f'|, 0 or more, in the units of the feature; its slope where both are equal is taken as zero
    """
    if similarity not in DISTANCES:
        choices = ", ".join(each.value for each in DISTANCES)
        raise UsageError(f"a target that compares by one of {choices} wanted, {similarity.value} got; choose another target.")
    return DISTANCES[similarity]


def _angular(first: Tensor, second: Tensor) -> Tensor:
    return (1 - cosine_similarity(first, second, dim=-1)) / 2


def _euclidean(first: Tensor, second: Tensor) -> Tensor:
    found: Tensor = vector_norm(first - second, dim=-1)
    return found


DISTANCES: dict[Similarity, Distance] = {
    Similarity.HAMMING: relaxed_distance,
    Similarity.COSINE: _angular,
    Similarity.EUCLIDEAN: _euclidean,
}
