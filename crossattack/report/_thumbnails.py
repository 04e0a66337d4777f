"""Pictures small enough to lie inside a page, as data addresses, and what an attack did to them, made visible."""

import base64
import io

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

EXACT = 64  # pixels of a side up to which a picture is kept to the byte
SMALL, LARGE = 80, 128  # sides that found and attacked pictures are shrunk to
GREY = 128


def small(picture: UInt8[Tensor, "3 height width"]) -> str:
    """A found picture."""
    return _address(picture, SMALL)


def large(picture: UInt8[Tensor, "3 height width"]) -> str:
    """An attacked picture, or a clean one beside it."""
    return _address(picture, LARGE)


def factor(before: UInt8[Tensor, "items 3 height width"], after: UInt8[Tensor, "items 3 height width"]) -> int:
    """By how much changes can be multiplied so that the largest of them just fits around grey; 1 where there is none."""
    largest = int((after.int() - before.int()).abs().max()) if before.numel() else 0
    return max(1, (GREY - 1) // largest) if largest else 1


def amplified(
    before: UInt8[Tensor, "3 height width"], after: UInt8[Tensor, "3 height width"], times: int
) -> UInt8[Tensor, "3 height width"]:
    """The change times this, around grey."""
    return (GREY + times * (after.int() - before.int())).clamp(0, 255).to(torch.uint8)


def _address(picture: UInt8[Tensor, "3 height width"], side: int) -> str:
    """PNG to the byte for small ones, WebP for those that have to be shrunk."""
    image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    exact = max(image.size) <= EXACT
    if not exact:
        image.thumbnail((side, side))
    file, kind = io.BytesIO(), "PNG" if exact else "WEBP"
    image.save(file, kind, **({} if exact else {"quality": 85}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
