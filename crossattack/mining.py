"""Answers -> triplets, as index tensors.

For an anchor of one modality, a positive is an item of the other that the target's codes put near, a negative one that
they put far. No labels, no gradients: only codes that were paid for.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int8, Int64
from torch import Tensor


@dataclass(frozen=True)
class Triplets:
    """Row i is the triplet (anchors[i], positives[i], negatives[i]); anchors index one table, the others another."""

    anchors: Int64[Tensor, " triplets"]
    positives: Int64[Tensor, " triplets"]
    negatives: Int64[Tensor, " triplets"]

    def __len__(self) -> int:
        return len(self.anchors)

    def to(self, device: str) -> "Triplets":
        """The same triplets on that device."""
        return Triplets(self.anchors.to(device), self.positives.to(device), self.negatives.to(device))


def mine_triplets(
    anchors: Int8[Tensor, "anchors bits"],
    others: Int8[Tensor, "others bits"],
    generator: torch.Generator,
    *,
    per_anchor: int = 4,
    among: float = 0.1,
) -> Triplets:
    """`per_anchor` triplets for each anchor: positives drawn from the nearest, negatives from the farthest.

    anchors, others: codes of the two modalities. among: the share of the others that counts as nearest, and as farthest.
    Distances tie massively, so who is nearest is settled by a random order from `generator`; equal seeds give equal
    triplets. Anchors for which nothing is nearer than the farthest (all distances tie) yield no triplet.

    Paper: Li, Gao, Deng, Liu, Huang, "Adversarial Attack on Deep Cross-Modal Hamming Retrieval", ICCV 2021. Differs from
    the paper: it does not say how far a negative must be nor how many triplets an anchor has.
    """
    nearest, farthest = nearest_and_farthest(anchors, others, generator, count=max(1, round(among * len(others))))
    pool = nearest.shape[1]
    drawn = torch.randint(pool, (2, len(anchors), per_anchor), generator=generator)
    positives, negatives = nearest.gather(1, drawn[0]).flatten(), farthest.gather(1, drawn[1]).flatten()
    rows = torch.arange(len(anchors)).repeat_interleave(per_anchor)
    products = anchors.float() @ others.float().T
    apart = products[rows, positives] > products[rows, negatives]
    return Triplets(rows[apart], positives[apart], negatives[apart])


def nearest_and_farthest(
    anchors: Int8[Tensor, "anchors bits"], others: Int8[Tensor, "others bits"], generator: torch.Generator, count: int
) -> tuple[Int64[Tensor, "anchors count"], Int64[Tensor, "anchors count"]]:
    """Positions of the `count` nearest and of the `count` farthest others of each anchor, ties in random order."""
    similarity: Float[Tensor, "anchors others"] = anchors.float() @ others.float().T  # K - 2 D, whole numbers
    similarity = similarity + 0.5 * torch.rand(similarity.shape, generator=generator)
    count = min(count, len(others))
    return similarity.topk(count, dim=1).indices, similarity.topk(count, dim=1, largest=False).indices
