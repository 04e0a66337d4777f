"""Ranking by continuous features: nearest first by cosine or Euclidean distance, junk taken out of each query's list.

Features hardly ever tie; where they do, the order is that of the database. Every measure here is read from the places of
a query's right answers, the first place being 1. A query without any has no value: NaN, left out of means.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray
from torch import Tensor

Measure: TypeAlias = Literal["cosine", "euclidean"]
Convention: TypeAlias = Literal["rectangle", "trapezoid"]
Places: TypeAlias = Sequence[ndarray]  # of int64: those of the right answers to each query, ascending
Mask: TypeAlias = Bool[ndarray, "queries items"]
BLOCK = 256  # queries ranked at a time


def ranked(queries: Tensor, database: Tensor, measure: Measure) -> Int64[Tensor, "queries items"]:
    """Ids of the whole database for each query, nearest first. queries: (queries, dim), database: (items, dim)."""
    asked, stored = queries.double(), database.double()
    if measure == "cosine":
        asked, stored = (torch.nn.functional.normalize(part, dim=1) for part in (asked, stored))
        return (-(asked @ stored.T)).argsort(dim=1, stable=True)
    return (stored.square().sum(1) - 2 * asked @ stored.T).argsort(dim=1, stable=True)


def places_of(queries: Tensor, database: Tensor, relevant: Mask, junk: Mask | None, measure: Measure) -> Places:
    """Where the right answers to each query stand, counting only what is no junk for it. What is both is junk."""
    found = []
    for start in range(0, len(queries), BLOCK):
        here = slice(start, start + BLOCK)
        order = ranked(queries[here], database, measure).numpy()
        right = np.take_along_axis(relevant[here], order, axis=1)
        if junk is None:
            found += [np.flatnonzero(row) + 1 for row in right]
            continue
        counted = ~np.take_along_axis(junk[here], order, axis=1)
        found += [np.cumsum(kept)[row & kept] for row, kept in zip(right, counted, strict=True)]
    return found


def average_precision(places: Places, convention: Convention = "rectangle") -> Float64[ndarray, " queries"]:
    """Average precision of each query, in [0, 1].

    rectangle: the mean of j / p_j over the places p_1 < p_2 < ... (scikit-learn, re-identification since 2017). trapezoid: the area
    under the precision-recall curve by straight lines, the mean of ((j - 1) / (p_j - 1) + j / p_j) / 2 with 1 where p_j is 1, as the
    evaluation of Oxford5k and of Market-1501's first release has it.
    """
    average = np.full(len(places), np.nan)
    for query, own in enumerate(places):
        if len(own):
            hits = np.arange(1, len(own) + 1)
            after = hits / own
            before = np.where(own > 1, (hits - 1) / np.maximum(own - 1, 1), 1.0)
            average[query] = np.mean(after if convention == "rectangle" else (before + after) / 2)
    return average


def found_within(places: Places, rank: int) -> Float64[ndarray, " queries"]:
    """1 where the first right answer stands among the first `rank`, else 0; its mean is the CMC curve at that rank."""
    return np.array([float(own[0] <= rank) if len(own) else np.nan for own in places])


def precision_at(places: Places, rank: int) -> Float64[ndarray, " queries"]:
    """The share of right answers among the first `rank`."""
    return np.array([float((own <= rank).sum()) / rank if len(own) else np.nan for own in places])
