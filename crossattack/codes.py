"""Codes: K bits of an item, and how far apart two of them are.

A code is `int8` in {-1, +1}, shape (items, bits). It is made in one function, `harden`, which knows no third value:
`harden(0) = +1`. Distances are counted on codes packed into 64-bit words.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int8, UInt16, UInt64
from numpy import ndarray
from torch import Tensor, int8

Codes: TypeAlias = Int8[Tensor, "items bits"]
PackedCodes: TypeAlias = UInt64[ndarray, "items words"]


def harden(relaxed: Float[Tensor, "items bits"]) -> Codes:
    """Relaxed codes -> codes. Zero is +1, so that there is never a third value."""
    return (relaxed >= 0).to(int8) * 2 - 1


def pack(codes: Int8[Tensor, "items bits"]) -> PackedCodes:
    """Codes -> 64-bit words, bit by bit; the last word is filled with zeros."""
    bits = (codes.cpu().numpy() > 0).astype(np.uint8)
    words = -(-bits.shape[1] // 64)
    padded = np.zeros((len(bits), words * 64), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1).view(np.uint64)  # (items, words)


def hamming(queries: UInt64[ndarray, "queries words"], database: UInt64[ndarray, "items words"]) -> UInt16[ndarray, "queries items"]:
    """Number of bits in which each query differs from each item of the database."""
    distance = np.zeros((len(queries), len(database)), np.uint16)
    for word in range(queries.shape[1]):
        distance += np.bitwise_count(queries[:, None, word] ^ database[None, :, word])
    return distance
