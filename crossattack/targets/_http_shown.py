"""What a service's lists show: the texts that came with them and, fetched when they are wanted, the pictures.

A list is bought once and its texts come with it, so they are kept in the run's folder before the ledger keeps the answer: a
resumed run has both. Pictures cost nothing and are fetched again.
"""

import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from crossattack.endpoint import Images
from crossattack.errors import TargetError
from surrogates.texts import Text

FILE = "shown.jsonl"
MOST_HELD = 1 << 30  # bytes of pictures in memory; what is beyond is fetched each time


@final
class Shown:
    """Texts and pictures of a service's database, by id. size: height and width that its pictures must have."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self._path, self.size = path, size
        self._texts = dict[int, Text]()
        self._pictures = dict[int, UInt8[Tensor, "3 height width"]]()
        if path.is_file():
            said = path.read_bytes()
            whole = said[: said.rfind(b"\n") + 1]
            if whole != said:  # killed in the middle of a line, whose answer is then not in the ledger either
                os.truncate(path, len(whole))
            for line in whole.splitlines():
                item, text = json.loads(line)
                self._texts[item] = text if isinstance(text, str) else tuple(text)

    def keep(self, texts: Mapping[int, Text]) -> None:
        """Keep texts that a list came with; what is known already stays as it was first shown."""
        new = {item: text for item, text in texts.items() if item not in self._texts}
        if new:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps([item, text]) + "\n" for item, text in new.items())
                file.flush()
                os.fsync(file.fileno())
            self._texts |= new

    def texts(self, ids: Int64[Tensor, " shown"]) -> list[Text]:
        """The texts with these ids."""
        if lost := set(ids.tolist()) - self._texts.keys():
            raise TargetError(f"the texts that lists came with wanted in {self._path}, none of item {min(lost)} got; start a new run.")
        return [self._texts[item] for item in ids.tolist()]

    def images(self, ids: Int64[Tensor, " shown"], fetch: Callable[[int], UInt8[Tensor, "3 height width"]]) -> Images:
        """The pictures with these ids, each fetched once."""
        found = torch.empty(len(ids), 3, *self.size, dtype=torch.uint8)
        for place, item in enumerate(ids.tolist()):
            picture = self._pictures[item] if item in self._pictures else fetch(item)
            if (len(self._pictures) + 1) * picture.numel() <= MOST_HELD:
                self._pictures[item] = picture
            found[place] = picture
        return found


def read_png(content: bytes, size: tuple[int, int]) -> UInt8[Tensor, "3 height width"]:
    """A picture of just this height and width, which is looked at before a pixel is decoded; `ValueError` otherwise."""
    height, width = size
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            got, frames, mode = image.size, getattr(image, "n_frames", 1), image.mode
            fits = got == (width, height) and frames == 1 and mode == "RGB"
            pixels = np.array(image) if fits else None
    except Exception as error:  # whatever a hostile file can raise in a decoder
        raise ValueError("a PNG wanted, a damaged file or something else got") from error
    if pixels is None:
        raise ValueError(f"one picture of {width} x {height} in RGB wanted, {got[0]} x {got[1]} in {mode} got")
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
