"""Marks on items, one column each: who or what is to be seen, and what takes an item out of a ranking."""

import numpy as np
import torch
from jaxtyping import Bool, Int64
from numpy import ndarray
from torch import Tensor


def one_hot(numbers: Int64[ndarray, " items"]) -> tuple[Bool[Tensor, "items marks"], list[int]]:
    """A column for each number that occurs, in rising order, and these numbers; negative numbers have no column."""
    found = np.unique(numbers[numbers >= 0])
    return torch.from_numpy(numbers[:, None] == found[None, :]), found.tolist()


def both(one: Int64[ndarray, " items"], other: Int64[ndarray, " items"], items: Bool[ndarray, " items"]) -> Bool[Tensor, "items marks"]:
    """A column for each pair of numbers that occurs among `items`, (identity, camera) say; other items have no mark."""
    pair = one * (other.max(initial=0) + 1) + other
    return one_hot(np.where(items, pair, -1))[0]
