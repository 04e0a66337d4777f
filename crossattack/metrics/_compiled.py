"""The loops of `_counting`, compiled. Imported only where numba is installed and there is much to count.

A tile of keys is written first, which the processor does eight items at a time, and then counted into four tables in turn, so that
no increment waits for the one before it to be stored.
"""

from inspect import unwrap
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

TILE = 4096  # keys of a tile and words of four columns stay in the first-level cache


def compiled(loop: Any) -> Any:
    """The loop, compiled when first called and kept beside this file; without the type checks that tests wrap it in."""
    return numba.njit(nogil=True, cache=True)(unwrap(loop))


def one_instruction(code: Any) -> Any:
    """The same of a single instruction."""
    return intrinsic(unwrap(code))


@one_instruction
def popcount(typing: Any, word: Any) -> Any:
    """Number of ones in a word: one instruction, which numba has no name for."""
    return types.uint64(types.uint64), lambda context, builder, signature, words: builder.ctpop(words[0])


@compiled
def by_mask(counts: Any, queries: Any, columns: Any, relevant: Any) -> None:
    """relevant: truth values, (queries, items)."""
    keys, tables = np.empty(TILE, np.uint16), np.zeros((4, counts.shape[1]), np.int64)
    for first in range(0, columns.shape[1], TILE):
        tile = columns[:, first : first + TILE]
        for query in range(len(queries)):
            distances(keys, queries[query], tile)
            row = relevant[query, first : first + TILE]
            for item in range(len(row)):
                keys[item] |= row[item]
            tally(counts[query], tables, keys[: len(row)])


@compiled
def by_labels(counts: Any, queries: Any, columns: Any, query_labels: Any, label_columns: Any) -> None:
    """Labels as 64-bit words: those of the queries in rows, those of the items in columns."""
    keys, tables = np.empty(TILE, np.uint16), np.zeros((4, counts.shape[1]), np.int64)
    shared = np.empty(TILE, np.uint64)
    for first in range(0, columns.shape[1], TILE):
        tile, labels = columns[:, first : first + TILE], label_columns[:, first : first + TILE]
        for query in range(len(queries)):
            distances(keys, queries[query], tile)
            shared[:] = 0
            for word in range(len(labels)):
                own, column = query_labels[query, word], labels[word]
                if own:
                    for item in range(len(column)):
                        shared[item] |= column[item] & own
            for item in range(tile.shape[1]):
                keys[item] |= np.uint16(shared[item] != 0)
            tally(counts[query], tables, keys[: tile.shape[1]])


@compiled
def by_few_labels(counts: Any, queries: Any, columns: Any, query_labels: Any, label_columns: Any) -> None:
    """The same of codes of one word and at most 32 labels, half a word each: distance and relevance are one pass, twice as fast."""
    keys, tables = np.empty(TILE, np.uint16), np.zeros((4, counts.shape[1]), np.int64)
    for first in range(0, columns.shape[1], TILE):
        column, labels = columns[0, first : first + TILE], label_columns[0, first : first + TILE]
        for query in range(len(queries)):
            word, own = queries[query, 0], query_labels[query, 0]
            for item in range(len(column)):
                keys[item] = np.uint16(popcount(column[item] ^ word) << np.uint64(1)) | np.uint16((labels[item] & own) != 0)
            tally(counts[query], tables, keys[: len(column)])


@compiled
def distances(keys: Any, query: Any, tile: Any) -> None:
    """Twice the Hamming distance of each item of a tile."""
    word, column = query[0], tile[0]
    for item in range(len(column)):
        keys[item] = popcount(column[item] ^ word) << np.uint64(1)
    for more in range(1, len(query)):
        word, column = query[more], tile[more]
        for item in range(len(column)):
            keys[item] += popcount(column[item] ^ word) << np.uint64(1)


@compiled
def tally(count: Any, tables: Any, keys: Any) -> None:
    """Add how often each key occurs."""
    tables[:] = 0
    whole = len(keys) // 4
    for four in range(whole):
        tables[0, keys[4 * four]] += 1
        tables[1, keys[4 * four + 1]] += 1
        tables[2, keys[4 * four + 2]] += 1
        tables[3, keys[4 * four + 3]] += 1
    for item in range(4 * whole, len(keys)):
        tables[0, keys[item]] += 1
    for table in tables:
        count += table
