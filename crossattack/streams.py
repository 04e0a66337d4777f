"""Randomness: one seed a run, one named generator a purpose.

A stream depends on nothing but the run's seed and its own name, so adding a consumer moves no other stream, and an item's
own stream does not depend on the batch it happens to sit in.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Streams:
    """`Streams(seed=0).numpy("triplets")` is always the same generator; names may have several parts, ("noise", 17)."""

    seed: int

    def number(self, *name: str | int) -> int:
        """A 63-bit seed for the stream of that name."""
        digest = hashlib.sha256(repr((self.seed, *name)).encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def numpy(self, *name: str | int) -> np.random.Generator:
        """The stream as a numpy generator."""
        return np.random.default_rng(self.number(*name))

    def torch(self, *name: str | int) -> torch.Generator:
        """The stream as a torch generator on the CPU."""
        return torch.Generator().manual_seed(self.number(*name))
