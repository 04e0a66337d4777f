"""Cut-off: what the field's repositories call MAP@k, three different numbers under one name.

    first_relevant   the first k relevant items wherever they stand, the mean of their precisions (`calc_map_k`: DCMH in PyTorch)
    top_hits         the top k of the list, the mean over the hits among them (DJSRH, JDSH, DGCPN, ACMR)
    top_possible     the top k of the list, divided by all hits that there could be, the lesser of k and the relevant (TREC)

On equal codes they differ by many points: the first ignores where the list is cut, the second forgets what was missed. Ties are in
the order of the database, as in those repositories. Where nothing is relevant there is no value (NaN); there the field counts 0.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int8
from numpy import ndarray
from torch import Tensor

from crossattack.codes import differing, pack
from crossattack.errors import UnknownName, UsageError

Cut: TypeAlias = Literal["first_relevant", "top_hits", "top_possible"]


def cut_average_precision(
    query_codes: Int8[Tensor, "queries bits"],
    database_codes: Int8[Tensor, "items bits"],
    relevant: Bool[ndarray, "queries items"],
    cuts: Sequence[int],
    cut: Cut,
) -> Float64[ndarray, "cuts queries"]:
    """Average precision of each query at each k, in [0, 1]."""
    if cut not in get_args(Cut):
        raise UnknownName("cut-off", cut, get_args(Cut))
    if min(cuts, default=1) < 1:
        raise UsageError(f"MAP at k wants k of at least 1, got {min(cuts)}.")
    columns = np.ascontiguousarray(pack(database_codes).T)
    average = np.full((len(cuts), len(query_codes)), np.nan)
    for query, (code, is_relevant) in enumerate(zip(pack(query_codes), relevant, strict=True)):
        ranks = np.flatnonzero(is_relevant[np.argsort(differing(code, columns), kind="stable")]) + 1
        if not len(ranks):
            continue
        gained = np.cumsum(np.arange(1, len(ranks) + 1) / ranks)
        for row, k in enumerate(cuts):
            hits = min(k, len(ranks)) if cut == "first_relevant" else int(np.searchsorted(ranks, k, side="right"))
            of = min(k, len(ranks)) if cut == "top_possible" else hits
            average[row, query] = gained[hits - 1] / of if hits else 0.0
    return average
