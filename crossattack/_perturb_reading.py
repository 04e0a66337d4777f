"""A picture file of the user's -> the pixels that a viewer shows, 8 bits a channel, and what had to be done to get them.

What is transparent lies on white, and a picture is turned the way its camera says: that is how the suite's own service reads a
file. Files with more than 8 bits a channel are refused, as a change within eps means nothing once they are cut down to 8.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from crossattack.errors import DataError

MOST_PIXELS = 100_000_000
DEEP = re.compile(r";16[BLN]|'RGB', 65535")  # Pillow cuts such colours down to 8 bits without a word
COLOURED = ("RGB", "RGBA", "P", "PA")  # whose colour profile is one of RGB


@dataclass(frozen=True)
class Picture:
    """What a viewer shows. profile: the file's own of its colours, where they are still those."""

    pixels: UInt8[Tensor, "1 3 height width"]
    notes: tuple[str, ...]
    profile: bytes | None


def is_picture(path: Path) -> bool:
    """Whether the file's first bytes are those of a picture; a picture that cannot be taken is one all the same."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # whatever a hostile file can raise in a decoder: `read_picture` says what
        return True


def read_picture(path: Path) -> Picture:
    """The picture of a file; `DataError` where it cannot be taken."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            _look_at(image)
            image.load()
            profile = image.info.get("icc_profile") if image.mode in COLOURED else None
            seen, notes = _as_seen(image)
            pixels = torch.from_numpy(np.array(seen)).permute(2, 0, 1)[None].contiguous()
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except Exception as error:  # whatever a hostile file can raise in a decoder
        raise DataError(f"a whole picture wanted, a damaged or truncated file got ({(str(error).splitlines() or [''])[0]}).") from error
    return Picture(pixels, notes, profile)


def _look_at(image: Image.Image) -> None:
    """Refuse what the header says already."""
    if image.width * image.height > MOST_PIXELS:
        raise _too_large()
    if getattr(image, "n_frames", 1) != 1:
        raise DataError("one picture wanted, an animation or several pages got; save one of them by itself.")
    if image.mode[0] in "IF" or DEEP.search(repr(getattr(image, "tile", ""))):
        raise DataError("8 bits a channel wanted, more got; save the picture with 8.")


def _as_seen(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    notes = []
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
        notes.append("turned upright")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.new("RGBA", seen.size, "white")
        image.alpha_composite(seen)
        notes.append("laid on white")
    elif image.mode not in COLOURED:
        notes.append("grey made RGB" if image.mode in ("L", "1", "LA", "La") else f"{image.mode} made RGB")
    return image.convert("RGB"), tuple(notes)


def _too_large() -> DataError:
    return DataError(f"at most {MOST_PIXELS // 10**6} million pixels wanted, more got; save a smaller picture.")
