"""Hubness: whether a few items of the database are found by everybody.

In spaces of many dimensions some items are the nearest of far more queries than their share, and an attack that sends all queries to one
place makes one of them.

Paper: Miloš Radovanović, Alexandros Nanopoulos, Mirjana Ivanović, Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data,
JMLR, 2010.
"""

import numpy as np
from jaxtyping import Float64, Int8
from numpy import ndarray
from torch import Tensor

from crossattack.codes import differing, pack


def topped(query_codes: Int8[Tensor, "queries bits"], database_codes: Int8[Tensor, "items bits"]) -> Float64[ndarray, " items"]:
    """How many queries each item is expected to be first for: 1 / n of a query whose n nearest items tie. They add up to the queries."""
    columns, found = np.ascontiguousarray(pack(database_codes).T), np.zeros(len(database_codes))
    for code in pack(query_codes) if len(database_codes) else ():
        distance = differing(code, columns)
        first = distance == distance.min()
        found[first] += 1 / first.sum()
    return found


def hubness(query_codes: Int8[Tensor, "queries bits"], database_codes: Int8[Tensor, "items bits"]) -> float | None:
    """Share of the queries for which the most popular item is expected to be first, in [0, 1]; None without queries or items."""
    found = topped(query_codes, database_codes)
    return float(found.max() / len(query_codes)) if len(found) and len(query_codes) else None
