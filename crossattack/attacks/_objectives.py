"""Objectives on relaxed codes, one value an item, to be lowered by a gradient attack."""

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor

from surrogates.losses import relaxed_distance


def triplet(
    relaxed: Float[Tensor, "items bits"],
    positives: Float[Tensor, "items bits"],
    negatives: Float[Tensor, "items bits"],
    margin: float,
) -> Float[Tensor, " items"]:
    """AACH's reversed triplet: leave the positives, approach the negatives (means of codes are allowed)."""
    gap = relaxed_distance(relaxed, negatives) - relaxed_distance(relaxed, positives)
    return torch.relu(margin + gap)


def consensus(relaxed: Float[Tensor, "items bits"], mainstay: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
    """Leave the mainstay code in every bit: mean of (s + 2) s over the bits with s = relaxed * mainstay > -1/2.

    A bit that is lost for certain no longer counts, so the others get the whole gradient.

    Paper: Yuan, Zhang, Wang, Wang, Xia, "Semantic-Aware Adversarial Training for Reliable Deep Hashing Retrieval",
    IEEE TIFS 2023.
    """
    agreement = relaxed * mainstay
    open_bits = (agreement > -0.5).float()
    return (open_bits * (agreement + 2) * agreement).sum(-1) / open_bits.sum(-1).clamp(min=1)


def mainstay_codes(
    labels: Bool[Tensor, "items labels"], database_labels: Bool[Tensor, "database labels"], database_codes: Int8[Tensor, "database bits"]
) -> Float[Tensor, "items bits"]:
    """The code that stands for what is relevant: sign of the weighted relevant minus the irrelevant database codes.

    A relevant item weighs the cosine of its labels with the query's, an irrelevant one the same as every other; each side
    sums to one. A query whose items are all on one side is led by that side alone. Same source as `consensus`.
    """
    asked, stored = (torch.nn.functional.normalize(part.float(), dim=1) for part in (labels, database_labels))
    cosine = asked @ stored.T  # (items, database)
    irrelevant = (cosine == 0).float()
    weights = cosine / cosine.sum(1, keepdim=True).clamp(min=1e-12) - irrelevant / irrelevant.sum(1, keepdim=True).clamp(min=1)
    return torch.where(weights @ database_codes.float() >= 0, 1.0, -1.0)
