"""Counting: how many items, and how many relevant ones, lie at each Hamming distance from each query.

All order-free metrics are read from this table. Counted in numpy, a query at a time and the database in tiles, so that working memory
does not grow with it; where numba is installed (`pip install 'crossattack[fast]'`) and there is much to count, distance, relevance
and histogram are one loop of compiled code on all threads. Both count the same.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt64
from numpy import ndarray

from crossattack.codes import differing, pack_bits

Mask: TypeAlias = Bool[ndarray, "queries items"]
TILE = 1 << 16  # items of the database at work at a time: their words stay in the processor's cache
HALF = 1 << 32  # above any set of 32 labels
WORTH_COMPILING = 1 << 25  # pairs of a query and an item, below which numpy takes less than a tenth of a second


@dataclass(frozen=True)
class Shared:
    """Relevance told by labels, in 64-bit words: two items are relevant to each other when they share at least one.

    It takes the place of a table of all pairs, which for 2,000 queries and a million items would be two gigabytes.
    """

    queries: UInt64[ndarray, "queries words"]
    columns: UInt64[ndarray, "words items"]

    @classmethod
    def of(cls, query_labels: Bool[ndarray, "queries labels"], database_labels: Bool[ndarray, "items labels"]) -> "Shared":
        """From labels as truth values."""
        return cls(pack_bits(query_labels), np.ascontiguousarray(pack_bits(database_labels).T))

    def row(self, query: int, tile: slice) -> Bool[ndarray, " items"]:
        """Which items of a tile are relevant to one query."""
        shared: Bool[ndarray, " items"] = np.zeros(self.columns[:, tile].shape[1], np.bool_)
        for word, column in zip(self.queries[query], self.columns[:, tile], strict=True):
            if word:
                shared |= (column & word) != 0
        return shared


def counted(
    queries: UInt64[ndarray, "queries words"], columns: UInt64[ndarray, "words items"], bits: int, relevant: Mask | Shared
) -> Int64[ndarray, "queries cells"]:
    """For each query, cell 2 d holds the items at distance d that are not relevant, cell 2 d + 1 those that are."""
    counts = np.zeros((len(queries), 2 * (bits + 1)), np.int64)
    if queries.shape[0] * columns.shape[1] >= WORTH_COMPILING and find_spec("numba"):
        _compiled(counts, queries, columns, relevant)
    else:
        _plain(counts, queries, columns, relevant)
    return counts


def _plain(counts: ndarray, queries: ndarray, columns: ndarray, relevant: Mask | Shared) -> None:
    for first in range(0, columns.shape[1], TILE):
        tile = slice(first, first + TILE)
        for row, (count, query) in enumerate(zip(counts, queries, strict=True)):
            keys = differing(query, columns[:, tile])
            keys <<= 1
            keys |= relevant.row(row, tile) if isinstance(relevant, Shared) else relevant[row, tile]
            count += np.bincount(keys, minlength=len(count))


def _compiled(counts: ndarray, queries: ndarray, columns: ndarray, relevant: Mask | Shared) -> None:
    from crossattack.metrics._compiled import by_few_labels, by_labels, by_mask

    loop: Callable[..., None]
    given: tuple[ndarray, ...]
    if not isinstance(relevant, Shared):
        loop, given = by_mask, (relevant,)
    elif (
        len(columns) == len(relevant.columns) == 1 and max(int(side.max(initial=0)) for side in (relevant.queries, relevant.columns)) < HALF
    ):
        loop, given = by_few_labels, (relevant.queries.astype(np.uint32), relevant.columns.astype(np.uint32))
    else:
        loop, given = by_labels, (relevant.queries, relevant.columns)
    given = tuple(np.ascontiguousarray(side) for side in given)
    threads = torch.get_num_threads()
    bounds = np.linspace(0, len(queries), threads + 1).astype(int).tolist()

    def part(first: int, last: int) -> None:
        loop(counts[first:last], queries[first:last], columns, given[0][first:last], *given[1:])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, bounds[:-1], bounds[1:]))
