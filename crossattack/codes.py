"""Codes: K bits of an item, and how far apart two of them are.

A code is `int8` in {-1, +1}, shape (items, bits). It is made in one function, `harden`, which knows no third value:
`harden(0) = +1`. Distances are counted on codes packed into 64-bit words.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int8, Int32, UInt, UInt16, UInt64
from numpy import ndarray
from torch import Tensor, int8

Codes: TypeAlias = Int8[Tensor, "items bits"]
PackedCodes: TypeAlias = UInt64[ndarray, "items words"]


def harden(relaxed: Float[Tensor, "items bits"]) -> Codes:
    """Relaxed codes -> codes. Zero is +1, so that there is never a third value."""
    return (relaxed >= 0).to(int8) * 2 - 1


def pack(codes: Int8[Tensor, "items bits"]) -> PackedCodes:
    """Codes -> 64-bit words, bit by bit; the last word is filled with zeros."""
    return pack_bits(codes.cpu().numpy() > 0)


def pack_bits(bits: Bool[ndarray, "items bits"]) -> PackedCodes:
    """Booleans -> 64-bit words, as `pack` does with codes."""
    words = -(-bits.shape[1] // 64)
    padded = np.zeros((len(bits), words * 64), np.bool_)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1).view(np.uint64)  # (items, words)


def hamming(queries: UInt64[ndarray, "queries words"], database: UInt64[ndarray, "items words"]) -> UInt16[ndarray, "queries items"]:
    """Number of bits in which each query differs from each item of the database; no more memory than the answer takes."""
    columns = np.ascontiguousarray(database.T)
    distance = np.empty((len(queries), len(database)), np.uint16)
    for row, query in zip(distance, queries, strict=True):
        row[:] = differing(query, columns)
    return distance


def differing(query: UInt64[ndarray, " words"], columns: UInt64[ndarray, "words items"]) -> UInt[ndarray, " items"]:
    """One query's distances from a database whose words lie in columns, so that each is one run of memory.

    They are bytes when a code is one word, as is usual: half the memory to pass over.
    """
    distance: UInt[ndarray, " items"] = np.bitwise_count(columns[0] ^ query[0])
    if len(query) > 1:
        distance = distance.astype(np.uint16)
    for word, column in zip(query[1:], columns[1:], strict=True):
        distance += np.bitwise_count(column ^ word)
    return distance


def nearest_ids(queries: Int8[Tensor, "queries bits"], database: Int8[Tensor, "items bits"], top_k: int) -> Int32[ndarray, "queries top_k"]:
    """Positions of the `top_k` nearest items of the database, nearest first; of equal distances the smaller position first."""
    columns = np.ascontiguousarray(pack(database).T)
    found = np.empty((len(queries), top_k), np.int32)
    for row, query in zip(found, pack(queries), strict=True):
        row[:] = np.argsort(differing(query, columns), kind="stable")[:top_k]
    return found
