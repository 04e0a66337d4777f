"""Answers -> triplets, as index tensors.

For an anchor of one modality, a positive is an item of the other that the target puts near, a negative one that it puts
far: by its codes, or by its lists. No labels, no gradients: only answers that were paid for.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int8, Int32, Int64
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


def triplets_of(
    similarity: Float[Tensor, "anchors others"], generator: torch.Generator, *, per_anchor: int = 4, among: float = 0.1
) -> Triplets:
    """`per_anchor` triplets for each anchor: positives drawn from the most alike, negatives from the least.

    similarity: how alike each anchor and each other are, in whole numbers: products of codes, or places in lists. among:
    the share of the others that counts as nearest, and as farthest. Similarities tie massively, so who is nearest is
    settled by a random order from `generator`; equal seeds give equal triplets. Anchors for which nothing is nearer than
    the farthest (all tie) yield no triplet. Of a list that stops at k, the farthest are those that are not in it: pairs
    that never appear together. Where the whole database is ranked there are none, and the farthest are the list's tail.

    Paper: Li, Gao, Deng, Liu, Huang, "Adversarial Attack on Deep Cross-Modal Hamming Retrieval", ICCV 2021. Differs from
    the paper: it does not say how far a negative must be nor how many triplets an anchor has; lists are ours.
    """
    nearest, farthest = extremes(similarity, generator, count=max(1, round(among * similarity.shape[1])))
    pool = nearest.shape[1]
    drawn = torch.randint(pool, (2, len(similarity), per_anchor), generator=generator)
    positives, negatives = nearest.gather(1, drawn[0]).flatten(), farthest.gather(1, drawn[1]).flatten()
    rows = torch.arange(len(similarity)).repeat_interleave(per_anchor)
    apart = similarity[rows, positives] > similarity[rows, negatives]
    return Triplets(rows[apart], positives[apart], negatives[apart])


def likeness(anchors: Int8[Tensor, "anchors bits"], others: Int8[Tensor, "others bits"]) -> Float[Tensor, "anchors others"]:
    """How alike codes are: K - 2 D."""
    return anchors.float() @ others.float().T


def places(ids: Int32[Tensor, "anchors top_k"], shown: Int64[Tensor, " others"]) -> Float[Tensor, "anchors others"]:
    """How alike lists say that items are: minus the place of each shown id in each list, minus k where it is not in it.

    shown: ids in ascending order.
    """
    rows, top_k = ids.shape
    found = torch.full((rows, len(shown)), -float(top_k))
    column = torch.searchsorted(shown, ids.long()).clamp(max=len(shown) - 1)
    known = shown[column] == ids
    row = torch.arange(rows)[:, None].expand_as(ids)
    place = torch.arange(top_k).expand_as(ids)
    found[row[known], column[known]] = -place[known].float()
    return found


def extremes(
    similarity: Float[Tensor, "anchors others"], generator: torch.Generator, count: int
) -> tuple[Int64[Tensor, "anchors count"], Int64[Tensor, "anchors count"]]:
    """Positions of the `count` most and of the `count` least alike of each row of whole numbers, ties in random order."""
    similarity = similarity + 0.5 * torch.rand(similarity.shape, generator=generator)
    count = min(count, similarity.shape[1])
    return similarity.topk(count, dim=1).indices, similarity.topk(count, dim=1, largest=False).indices


def ascending(ids: Tensor) -> Int64[Tensor, " ids"]:
    """Every id once, in ascending order."""
    found: Tensor = torch.unique(ids.long())
    return found
