"""Ranking: how well Hamming distance brings relevant items to the front, whatever the order of ties.

A code of K bits has K + 1 distances, so thousands of items tie, and the order of ties alone moves mAP by several points
(at 16 bits by ten). The number to quote is therefore the expectation over all orders of the ties, which has a closed form
in a histogram: how many items, and how many relevant ones, lie at each distance. Nothing is sorted.

    expected   every order of the ties is as likely as any other: the default
    stable     ties in the order of the database, as a stable sort leaves them (MATLAB, DCMH)
    best       relevant items first in every tie
    worst      relevant items last in every tie

A query with nothing relevant has no average precision: it is NaN, it is left out of every mean, and `QueryMean` says how
many were. Relevance is a table of all pairs or, for databases too large for one, `by_labels`; beyond it, memory is that of the
histogram.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int32, Int64
from numpy import ndarray
from torch import Tensor

from crossattack.codes import differing, pack, pack_bits
from crossattack.errors import UnknownName
from crossattack.metrics._counting import Shared, counted

TieOrder: TypeAlias = Literal["expected", "stable", "best", "worst"]
Relevance: TypeAlias = Bool[ndarray, "queries items"]
Relevant: TypeAlias = Bool[ndarray, "queries items"] | Shared  # told by a table, or by labels
RECALLS = tuple(step / 10 for step in range(1, 11))  # of a precision-recall curve


@dataclass(frozen=True)
class Levels:
    """What lies at each distance from each query: `items[q, d]` items, of which `relevant[q, d]` are relevant."""

    items: Int64[ndarray, "queries levels"]
    relevant: Int64[ndarray, "queries levels"]


@dataclass(frozen=True)
class QueryMean:
    """A mean over the queries that have a value; None when none has. `left_out` have nothing relevant to be found."""

    value: float | None
    scored: int
    left_out: int


def share_a_label(query_labels: Bool[Tensor, "queries labels"], database_labels: Bool[Tensor, "items labels"]) -> Relevance:
    """Relevance as the field has it: two items are relevant to each other when they share at least one label."""
    queries, database = (pack_bits(labels.cpu().numpy()).view(np.uint32) for labels in (query_labels, database_labels))
    columns = np.ascontiguousarray(database.T[: -(-query_labels.shape[1] // 32)])  # words that hold labels
    shared = np.zeros((len(queries), len(database)), np.bool_)
    for row, query in zip(shared, queries, strict=True):
        for word, column in zip(query, columns, strict=False):
            row |= (column & word) != 0
    return shared


def by_labels(query_labels: Bool[Tensor, "queries labels"], database_labels: Bool[Tensor, "items labels"]) -> Shared:
    """The same without a table of all pairs, for databases of millions: each tile's relevance is worked out where it is counted."""
    return Shared.of(query_labels.cpu().numpy(), database_labels.cpu().numpy())


def levels(query_codes: Int8[Tensor, "queries bits"], database_codes: Int8[Tensor, "items bits"], relevant: Relevant) -> Levels:
    """The histogram that every order-free metric is read from, counted in one pass over the distances."""
    columns = np.ascontiguousarray(pack(database_codes).T)
    counts = counted(pack(query_codes), columns, query_codes.shape[1], relevant)
    return Levels(items=counts[:, ::2] + counts[:, 1::2], relevant=counts[:, 1::2])


def average_precision(
    query_codes: Int8[Tensor, "queries bits"],
    database_codes: Int8[Tensor, "items bits"],
    relevant: Relevant,
    ties: TieOrder = "expected",
) -> Float64[ndarray, " queries"]:
    """Average precision of each query over the whole database (AP@all), in [0, 1]; NaN where nothing is relevant.

    AP is the mean, over the relevant items, of the share of relevant items among those ranked up to it. Let a distance
    hold n items, r of them relevant, behind N items of which R are relevant. In a random order its i-th place holds a
    relevant item with probability r / n, and then R + 1 + (i - 1)(r - 1) / (n - 1) relevant items up to there, so with
    b = (r - 1) / (n - 1) and the harmonic numbers H the distance adds in expectation

        r / n * sum_i (R + 1 + (i - 1) b) / (N + i)  =  r / n * (b n + (R + 1 - b - b N) (H[N + n] - H[N]))

    Paper: Frank McSherry, Marc Najork, Computing Information Retrieval Performance Measures Efficiently in the Presence
    of Tied Scores, ECIR 2008; for hashing Kun He, Fatih Cakir, Sarah Adel Bargal, Stan Sclaroff, Hashing as Tie-Aware
    Learning to Rank, CVPR 2018.
    """
    if ties not in get_args(TieOrder):
        raise UnknownName("order of ties", ties, get_args(TieOrder))
    if ties == "stable":
        return _stable_average_precision(query_codes, database_codes, relevant)
    return levels_average_precision(levels(query_codes, database_codes, relevant), ties)


def precision_at_recalls(found: Levels, recalls: Sequence[float] = RECALLS) -> Float64[ndarray, "queries recalls"]:
    """The precision-recall curve of Hamming balls: precision within the smallest radius that reaches each recall.

    A ball holds whole ties, so nothing depends on their order. NaN where nothing is relevant to the query.
    """
    items, hits = found.items.cumsum(axis=1), found.relevant.cumsum(axis=1)  # (queries, levels)
    wanted = np.ceil(np.outer(hits[:, -1], recalls) - 1e-9)  # relevant items to be found, (queries, recalls)
    radius = np.array([np.searchsorted(row, goal) for row, goal in zip(hits, wanted, strict=True)]).reshape(wanted.shape)
    reached = [np.take_along_axis(counts, radius, axis=1) for counts in (hits, items)]
    curve: Float64[ndarray, "queries recalls"] = np.where(hits[:, -1:] > 0, reached[0] / np.maximum(reached[1], 1), np.nan)
    return curve


def expected_places(
    query_codes: Int8[Tensor, "queries bits"], database_codes: Int8[Tensor, "items bits"], chosen: Sequence[int]
) -> Float64[ndarray, "queries chosen"]:
    """The place of each chosen item in each query's list, the first being 1, in expectation over random orders of the ties."""
    columns, places = np.ascontiguousarray(pack(database_codes).T), np.empty((len(query_codes), len(chosen)))
    for row, code in zip(places, pack(query_codes), strict=True):
        distance = differing(code, columns)
        own = distance[list(chosen), None]
        row[:] = (distance < own).sum(1) + ((distance == own).sum(1) + 1) / 2
    return places


def listed_average_precision(ids: Int32[ndarray, "queries items"], relevant: Relevance) -> Float64[ndarray, " queries"]:
    """Average precision of lists of the whole database, in the very order in which they came; NaN where nothing is relevant."""
    average = np.full(len(ids), np.nan)
    for query, (listed, is_relevant) in enumerate(zip(ids, relevant, strict=True)):
        ranks = np.flatnonzero(is_relevant[listed]) + 1
        if len(ranks):
            average[query] = np.mean(np.arange(1, len(ranks) + 1) / ranks)
    return average


def mean_average_precision(
    query_codes: Int8[Tensor, "queries bits"],
    database_codes: Int8[Tensor, "items bits"],
    relevant: Relevant,
    ties: TieOrder = "expected",
) -> QueryMean:
    """mAP@all: `average_precision` over the queries that have something relevant."""
    return mean_over_queries(average_precision(query_codes, database_codes, relevant, ties))


def mean_over_queries(per_query: Float64[ndarray, " queries"]) -> QueryMean:
    """The mean of the queries that are not NaN, and how many are."""
    scored = per_query[~np.isnan(per_query)]
    return QueryMean(float(scored.mean()) if len(scored) else None, len(scored), len(per_query) - len(scored))


def random_average_precision(
    relevant_counts: Int64[ndarray, " queries"], items: int | Int64[ndarray, " queries"]
) -> Float64[ndarray, " queries"]:
    """The floor: exactly what a random ranking of the database scores, which is one tie of everything.

    With r of n items relevant and b = (r - 1) / (n - 1): (b n + (1 - b) H[n]) / n, a little above the share r / n.
    """
    return levels_average_precision(Levels(np.broadcast_to(items, relevant_counts.shape)[:, None], relevant_counts[:, None]))


def levels_average_precision(
    found: Levels, ties: Literal["expected", "best", "worst"] = "expected", k: int | None = None
) -> Float64[ndarray, " queries"]:
    """`average_precision` from its histogram, over the first k places where k is given, divided then by min(k, R).

    A run of m relevant items behind N items of which R are relevant adds sum_j (R + j) / (N + j) = m + (R - N) (H[N + m] - H[N]):
    behind the tie's others in the worst order, before them in the best. In expectation, m places of the tie count instead of all n.
    """
    n, r = found.items, found.relevant  # (queries, levels)
    total = n.sum(axis=1).max(initial=0)
    nearer, hits, last = before(n), before(r), total if k is None else k
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, total + 1))])
    if ties == "expected":
        b, m = (r - 1) / np.maximum(n - 1, 1), np.clip(last - nearer, 0, n)
        added = r / np.maximum(n, 1) * (b * m + (hits + 1 - b - b * nearer) * (harmonic[nearer + m] - harmonic[nearer]))
    else:
        start = nearer if ties == "best" else nearer + n - r
        m = np.clip(last - start, 0, r)
        added = m + (hits - start) * (harmonic[start + m] - harmonic[start])
    with np.errstate(invalid="ignore"):
        average: Float64[ndarray, " queries"] = added.sum(axis=1) / np.minimum(r.sum(axis=1), last)  # 0 / 0 = NaN: nothing is relevant
    return average


def _stable_average_precision(
    query_codes: Int8[Tensor, "queries bits"], database_codes: Int8[Tensor, "items bits"], relevant: Relevant
) -> Float64[ndarray, " queries"]:
    """AP with ties in the order of the database. It needs the ranks, so it sorts: a radix sort, as distances are small."""
    columns = np.ascontiguousarray(pack(database_codes).T)
    average = np.full(len(query_codes), np.nan)
    for query, code in enumerate(pack(query_codes)):
        order = np.argsort(differing(code, columns), kind="stable")
        ranks = np.flatnonzero(row_of(relevant, query)[order]) + 1
        if len(ranks):
            average[query] = np.mean(np.arange(1, len(ranks) + 1) / ranks)
    return average


def row_of(relevant: Relevant, query: int) -> Bool[ndarray, " items"]:
    """Which items are relevant to one query."""
    return relevant.row(query, slice(None)) if isinstance(relevant, Shared) else relevant[query]


def before(counts: Int64[ndarray, "queries levels"]) -> Int64[ndarray, "queries levels"]:
    """How much lies at smaller distances."""
    smaller: Int64[ndarray, "queries levels"] = np.cumsum(counts, axis=1) - counts
    return smaller
