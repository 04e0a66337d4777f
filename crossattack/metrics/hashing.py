"""Hashing: how far a surrogate's codes agree with the target's, and whether a set of codes uses its bits."""

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int8, Int64
from numpy import ndarray
from torch import Tensor

from crossattack.codes import Codes, hamming, harden, pack


def bit_agreement(ours: Codes, theirs: Codes) -> float | None:
    """Share of equal bits of two code sets of the same items, in [0, 1]; None without items.

    A surrogate is trained towards the target's own bits, so bits are compared one to one; codes that have nothing to do
    with each other agree in half of theirs.
    """
    return float((ours == theirs).double().mean()) if ours.numel() else None


def rank_agreement(
    query_ours: Int8[Tensor, "queries bits"],
    database_ours: Int8[Tensor, "items bits"],
    query_theirs: Int8[Tensor, "queries other_bits"],
    database_theirs: Int8[Tensor, "items other_bits"],
) -> float | None:
    """Mean over the queries of Kendall's tau-b between our and their ranking of the database, in [-1, 1].

    tau-b asks what a triplet asks: of two items, is the same one nearer? It is 1 when the Hamming distances of one set
    order the database as those of the other and tie where they tie, 0 when they know nothing of each other. The numbers
    of bits may differ. A query all of whose distances tie ranks nothing and is left out; None when every query does.
    """
    ours, theirs = (pack(query_ours), pack(database_ours)), (pack(query_theirs), pack(database_theirs))
    across = query_theirs.shape[1] + 1
    cells = (query_ours.shape[1] + 1) * across
    each = np.full(len(query_ours), np.nan)
    for query in range(len(each)):
        near = hamming(ours[0][query : query + 1], ours[1])[0].astype(np.int64)
        far = hamming(theirs[0][query : query + 1], theirs[1])[0]
        each[query] = kendall_tau_b(np.bincount(near * across + far, minlength=cells).reshape(-1, across))
    known = each[~np.isnan(each)]
    return float(known.mean()) if len(known) else None


def kendall_tau_b(table: Int64[ndarray, "rows columns"]) -> float:
    """tau-b from a table of counts: how many items have the i-th value of one score and the j-th of the other.

    (concordant - discordant) / sqrt(pairs apart in rows * pairs apart in columns); NaN where one score is constant.
    Distances are few and items many, so the table says it all and nothing is sorted.

    Paper: Maurice Kendall, The Treatment of Ties in Ranking Problems, Biometrika, 1945.
    """
    items = int(table.sum())
    above = np.cumsum(np.cumsum(table, axis=0), axis=1)  # (rows, columns): items with both values at most these
    smaller = np.zeros_like(above)
    smaller[1:, 1:] = above[:-1, :-1]
    greater_column = np.zeros_like(above)
    greater_column[1:] = above[:-1, -1:] - above[:-1]  # smaller in the row's score, greater in the column's
    balance = int((table * (smaller - greater_column)).sum())
    rows, columns = ((items**2 - int((table.sum(axis=axis) ** 2).sum())) // 2 for axis in (1, 0))
    return balance / (rows * columns) ** 0.5 if rows and columns else float("nan")


def bit_balance(codes: Codes) -> Float64[Tensor, " bits"]:
    """Share of +1 in each bit: 0.5 is balanced, 0 and 1 say nothing. NaN without items."""
    return (codes > 0).double().mean(dim=0)


def code_entropy(codes: Codes) -> float | None:
    """Mean over the bits of the entropy of each, in bits, in [0, 1]: 1 when all are balanced, 0 when the codes have
    collapsed into one. None without items.
    """
    if not codes.numel():
        return None
    share = bit_balance(codes)
    entropy = -(share.xlogy(share) + (1 - share).xlogy(1 - share)) / np.log(2)
    return abs(float(entropy.mean()))


def opposite_codes(database: Int8[Tensor, "items bits"], relevant: Bool[ndarray, "queries items"]) -> Int8[Tensor, "queries bits"]:
    """For each query the code farthest from what is relevant and nearest to what is not: what an attack would turn it into.

    Bit by bit the sign of the irrelevant items' mean less the relevant items'. Another code may score a little lower, as
    average precision is more than a mean distance, but hardly.

    Paper: Yuan, Zhang, Wang, Wu, "Semantic-Aware Adversarial Training for Reliable Deep Hashing Retrieval", IEEE TIFS 2023.
    Differs from the paper: relevant items count alike, however many labels they share.
    """
    codes, share = database.double(), torch.from_numpy(relevant).double()
    near, far = (weights @ codes / weights.sum(1, keepdim=True).clamp(min=1) for weights in (share, 1 - share))
    return harden(far - near)
