"""Cut-offs: what the first k places hold, whatever the order of ties, and the average precisions that others print under one name.

"MAP@k" has at least four meanings, which on the same codes differ by many points. Ours, `average_precision_at`, is an
expectation over the orders of the ties, divided by min(k, R), so that a perfect list scores 1. The others are here by name, to compare
with published numbers; they hang on the order of ties and take that of the database, as a stable sort leaves it.

    first_k_relevant   the first k *relevant* items, wherever they stand, divided by min(k, R)
    top_k_hits         the first k places, divided by the relevant items among them
    top_k_min          the first k places, divided by min(k, R), as in TREC
    trapezoid          the area under the precision-recall polygon of the first k places, as Oxford and Paris have it
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float64, Int8, Int64
from numpy import ndarray
from scipy.special import gammaln
from torch import Tensor

from crossattack.codes import differing, pack
from crossattack.errors import UnknownName, UsageError
from crossattack.metrics.ranking import Levels, Relevant, before, levels_average_precision, row_of

Legacy: TypeAlias = Literal["first_k_relevant", "top_k_hits", "top_k_min", "trapezoid"]


def average_precision_at(k: int, found: Levels, ties: Literal["expected", "best", "worst"] = "expected") -> Float64[ndarray, " queries"]:
    """AP@k of each query, in [0, 1]: (1 / min(k, R)) sum over the relevant among the first k of (relevant up to there) / place.

    NaN where nothing is relevant. k of the size of the database or more gives AP@all.
    """
    return levels_average_precision(found, ties, _place(k))


def precision_at(k: int, found: Levels) -> Float64[ndarray, " queries"]:
    """Expected share of relevant items among the first k; 0 where nothing is relevant.

    A tie of n items of which m fit into the first k brings r m / n relevant ones in. A database of fewer than k items
    leaves places empty, and they count as misses (as in TREC).
    """
    fit = np.clip(_place(k) - before(found.items), 0, found.items)
    hits: Float64[ndarray, " queries"] = (found.relevant * fit / np.maximum(found.items, 1)).sum(axis=1)
    return hits / k


def recall_at(k: int, found: Levels) -> Float64[ndarray, " queries"]:
    """Expected share of what is relevant that stands among the first k; NaN where nothing is relevant."""
    fit = np.clip(_place(k) - before(found.items), 0, found.items)
    with np.errstate(invalid="ignore"):
        recall: Float64[ndarray, " queries"] = (found.relevant * fit / np.maximum(found.items, 1)).sum(1) / found.relevant.sum(1)
    return recall


def success_at(k: int, found: Levels) -> Float64[ndarray, " queries"]:
    """How likely something relevant stands among the first k: the CMC curve of codes. 0 where nothing is relevant.

    Of a tie of n items with r relevant ones m fit: none of those is relevant with probability C(n - r, m) / C(n, m).
    """
    n, r = found.items, found.relevant
    m = np.clip(_place(k) - before(n), 0, n)
    never = n - r < m
    with np.errstate(invalid="ignore"):
        missed = np.exp(_choose(n - r, np.minimum(m, n - r)) - _choose(n, m))
    likely: Float64[ndarray, " queries"] = 1 - np.where(never, 0.0, missed).prod(axis=1)
    return likely


def ndcg_at(
    k: int,
    query_codes: Int8[Tensor, "queries bits"],
    database_codes: Int8[Tensor, "items bits"],
    shared: Int64[ndarray, "queries items"],
) -> Float64[ndarray, " queries"]:
    """Normalised discounted cumulative gain of the first k, in [0, 1], in expectation over the orders of the ties.

    An item that shares s labels gains 2^s - 1; place i is discounted by 1 / log2(1 + i); the ideal list has the largest gains first.
    A tie's places all hold its mean gain in expectation. NaN where nothing shares a label.

    Paper: Kalervo Järvelin, Jaana Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, TOIS, 2002; ties as in McSherry and
    Najork, ECIR 2008.
    """
    columns, discounts = np.ascontiguousarray(pack(database_codes).T), 1 / np.log2(np.arange(_place(k)) + 2)
    sums = np.concatenate([[0.0], np.cumsum(discounts)])
    found = np.full(len(query_codes), np.nan)
    for query, (code, labels) in enumerate(zip(pack(query_codes), shared, strict=True)):
        gains, distance = 2.0**labels - 1, differing(code, columns)
        best = np.sort(gains)[::-1][:k]
        if not best.any():
            continue
        items, gained = np.bincount(distance), np.bincount(distance, gains)
        ends = np.minimum(np.concatenate([[0], np.cumsum(items)]), k)
        found[query] = (gained / np.maximum(items, 1) * np.diff(sums[ends])).sum() / (best * discounts[: len(best)]).sum()
    return found


def within(radius: int, found: Levels) -> tuple[Float64[ndarray, " queries"], Float64[ndarray, " queries"]]:
    """Precision and recall of each query's Hamming ball of that radius. An empty ball has precision 0; recall is NaN where nothing
    is relevant."""
    items, hits = found.items[:, : radius + 1].sum(1), found.relevant[:, : radius + 1].sum(1)
    with np.errstate(invalid="ignore"):
        return hits / np.maximum(items, 1), hits / found.relevant.sum(1)


def pooled_within(found: Levels) -> tuple[Float64[ndarray, " radii"], Float64[ndarray, " radii"]]:
    """Precision and recall by Hamming radius over all pairs at once, as DCMH's curve has it: queries with many hits count for more.

    Precision is NaN at radii that no item of any query reaches.
    """
    items, hits = found.items.sum(0).cumsum(), found.relevant.sum(0).cumsum()
    with np.errstate(invalid="ignore"):
        return hits / items, hits / hits[-1]


def legacy_average_precision(
    definition: Legacy,
    k: int,
    query_codes: Int8[Tensor, "queries bits"],
    database_codes: Int8[Tensor, "items bits"],
    relevant: Relevant,
) -> Float64[ndarray, " queries"]:
    """AP@k as others define it (above), ties in the order of the database; NaN where nothing is relevant, where they print 0.

    `top_k_hits` is 0 where none of the first k is relevant.
    """
    if definition not in get_args(Legacy):
        raise UnknownName("definition of AP@k", definition, get_args(Legacy))
    columns = np.ascontiguousarray(pack(database_codes).T)
    average = np.full(len(query_codes), np.nan)
    for query, code in enumerate(pack(query_codes)):
        ranks = np.flatnonzero(row_of(relevant, query)[np.argsort(differing(code, columns), kind="stable")]) + 1
        if len(ranks):
            average[query] = _legacy(definition, _place(k), ranks)
    return average


def _legacy(definition: Legacy, k: int, ranks: Int64[ndarray, " hits"]) -> float:
    counted = ranks[:k] if definition == "first_k_relevant" else ranks[ranks <= k]
    precisions = np.arange(1, len(counted) + 1) / counted
    if definition == "trapezoid":  # the polygon goes through the precision just before each hit as well
        previous = np.where(counted > 1, np.arange(len(counted)) / np.maximum(counted - 1, 1), 1.0)
        precisions = (previous + precisions) / 2
    least = max(len(counted), 1) if definition == "top_k_hits" else min(k, len(ranks))
    return float(precisions.sum() / least)


def _choose(n: ndarray, m: ndarray) -> Float64[ndarray, "queries levels"]:
    """The logarithm of n over m."""
    found: Float64[ndarray, "queries levels"] = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    return found


def _place(k: int) -> int:
    if k < 1:
        raise UsageError(f"a cut-off wants k of at least 1, got {k}.")
    return k
