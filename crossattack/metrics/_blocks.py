"""Blocks: a measure of many pictures is taken of some at a time, in double precision."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

Pictures: TypeAlias = UInt8[Tensor, "items channel height width"]
PerPicture: TypeAlias = Float64[Tensor, " items"]

BLOCK = 1 << 18  # values of pictures at work at a time: as float64 they stay in the processor's cache


def blockwise(measure: Callable[[Tensor, Tensor], Tensor], clean: Pictures, changed: Pictures) -> PerPicture:
    """`measure` of float64 pictures in [0, 255], some pictures at a time, on the pictures' device."""
    size = max(1, BLOCK // max(1, clean[0].numel())) if len(clean) else 1
    pairs = zip(torch.split(clean, size), torch.split(changed, size), strict=True)
    return torch.cat([measure(x.double(), y.double()) for x, y in pairs])
