"""Uploaded files -> pictures as the target takes them, and pictures -> PNG.

A file comes from anyone. Format and size are looked at before a pixel is decoded: PNG, JPEG or WebP, one frame, at most
16 million pixels. A picture that has the data set's size is passed on as it is, bit for bit where the file is lossless; any other
is turned the way its camera says and resized to that size, which squeezes it where it has other proportions. What is
transparent lies on white.
"""

import io
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from crossattack.serve.refusals import ItemRefused

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 16_000_000
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # Pillow's own limit, which is higher than ours
Picture: TypeAlias = UInt8[Tensor, "3 height width"]


def read_picture(content: bytes, height: int, width: int) -> Picture:
    """The picture that a file holds; `ItemRefused` where it is no such picture."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _look_at(image)
            image.load()
            pixels = np.array(_fitted(image, height, width))
    except ItemRefused:
        raise
    except BOMBS as error:
        raise _too_large() from error
    except UnidentifiedImageError as error:
        raise ItemRefused("unsupported_format", "a PNG, JPEG or WebP file wanted, something else got.") from error
    except Exception as error:  # whatever a hostile file can raise in a decoder
        raise ItemRefused("damaged_picture", "a whole picture wanted, a damaged or truncated file got.") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def to_png(picture: Picture) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(file, "PNG")
    return file.getvalue()


def _look_at(image: Image.Image) -> None:
    """Refuse what the header says already."""
    if image.width * image.height > MOST_PIXELS:
        raise _too_large()
    if getattr(image, "n_frames", 1) != 1:
        raise ItemRefused("animated_picture", "one picture wanted, an animation got; send one frame of it.")
    if image.mode[0] in "IF":
        raise ItemRefused("unsupported_depth", "8 bits a channel wanted, more got; save the picture with 8.")


def _fitted(image: Image.Image, height: int, width: int) -> Image.Image:
    right_size = image.size == (width, height)
    if not right_size:
        image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.new("RGBA", seen.size, "white")
        image.alpha_composite(seen)
    image = image.convert("RGB")
    return image if right_size else image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3)


def _too_large() -> ItemRefused:
    return ItemRefused("too_many_pixels", f"at most {MOST_PIXELS // 10**6} million pixels wanted, more got; send a smaller picture.")
