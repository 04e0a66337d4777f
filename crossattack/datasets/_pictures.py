"""Photographs -> pixels: every picture whole, at one size, antialiased; grey ones get three equal channels."""

import io
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, UnidentifiedImageError

from crossattack.datasets._files import Files
from crossattack.datasets._variable import BROKEN
from crossattack.errors import ConfigError, DataError

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom, in the picture's own pixels

ENDINGS = (".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp", ".webp", ".tif", ".tiff")
SMALLEST, LARGEST = 8, 2048  # pixels of a side
MOST_PIXELS = 89_478_485  # of a file: beyond them Pillow suspects a bomb


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is one."""
    return name.lower().endswith(ENDINGS)


def check_size(data: str, height: int, width: int) -> None:
    """`ConfigError` where a side is not of 8 to 2048 pixels."""
    for name, got in (("height", height), ("width", width)):
        if not SMALLEST <= got <= LARGEST:
            raise ConfigError(f"`{name}` of {data}: {SMALLEST} to {LARGEST} pixels wanted, {got} got.")


def check_pixels(data: str, pixels: int | None) -> None:
    """The same for a side of square pictures, which may be left open."""
    if pixels is not None and not SMALLEST <= pixels <= LARGEST:
        raise ConfigError(f"`pixels` of {data}: {SMALLEST} to {LARGEST} wanted, {pixels} got.")


def read_picture(files: Files, name: str, height: int, width: int, box: Box | None = None) -> UInt8[ndarray, "3 height width"]:
    """One picture; a box is cut out before it is resized, as far as it lies inside."""
    try:
        with Image.open(io.BytesIO(files.read(name))) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise ValueError(f"{opened.width} x {opened.height} pixels, {MOST_PIXELS:,} at most")
            picture = opened.convert("RGB")
    except (*BROKEN, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        said = "its bytes are those of no picture" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())
        raise DataError(f"{files.root}: a picture wanted at {name}, none got ({said}); replace or remove it.") from None
    if box is not None:
        picture = picture.crop(inside(box, picture.size, f"{files.root}: {name}"))
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)  # PIL widens the filter where it shrinks: antialiased
    return np.asarray(resized).transpose(2, 0, 1)


def inside(box: Box, size: tuple[int, int], where: str) -> tuple[int, int, int, int]:
    """The box in whole pixels, clipped to the picture; `DataError` where nothing is left."""
    left, top, right, bottom = max(0, round(box[0])), max(0, round(box[1])), min(size[0], round(box[2])), min(size[1], round(box[3]))
    if left >= right or top >= bottom:
        raise DataError(f"{where}: a box inside the picture of {size[0]} x {size[1]} pixels wanted, {box} got.")
    return left, top, right, bottom
