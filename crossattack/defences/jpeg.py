"""JPEG before the network."""

from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from pydantic import Field
from torch import Tensor

from crossattack.defences import straight_through


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """Compress each picture as a JPEG file and read it back: fine changes are what compression drops first.

    quality: Pillow's, 1 to 95; colours are kept at half the resolution. Pixels are rounded to bytes first.
    Backwards it is the identity: compressing changes a picture little, so its slope there serves for the one before.

    Differs from the paper: Pillow's own tables and colour resolution, one quality for all.

    Paper: Dziugaite, Ghahramani, Roy, "A Study of the Effect of JPG Compression on Adversarial Images", 2016; as a defence beside
    others: Guo, Rana, Cisse, van der Maaten, "Countering Adversarial Images using Input Transformations", ICLR 2018.
    """

    draws: ClassVar[int] = 0
    quality: Annotated[int, Field(ge=1, le=95)] = 75

    def through(
        self, images: Float[Tensor, "items 3 height width"], drawn: Float[Tensor, "items draws"]
    ) -> Float[Tensor, "items 3 height width"]:
        """Written and read back, picture by picture."""
        pixels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        read = torch.from_numpy(np.stack([self._read_back(each) for each in pixels])).permute(0, 3, 1, 2)
        return straight_through(images, read.to(images.device, images.dtype) / 255)

    def _read_back(self, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        """One picture of bytes, (height, width, 3)."""
        file = BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=self.quality)
        return np.array(Image.open(file))
