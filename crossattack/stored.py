"""Pictures that lie in files and are read when they are asked for: a set larger than memory, indexed like a tensor.

images = StoredImages(shelf)            # nothing is read
images.shape, len(images)               # (20015, 3, 224, 224), 20015
images[128:256]                         # a tensor, read now
images.take(positions)                  # others of the same pictures; still nothing is read
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias, final, runtime_checkable

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

Pixels: TypeAlias = UInt8[Tensor, "items channel height width"]
BATCH = 128  # pictures read at a time, where all are


@runtime_checkable
class Shelf(Protocol):
    """Where pictures lie: one array of a file, or a file each."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        ...

    def __len__(self) -> int: ...

    def read(self, positions: list[int]) -> Pixels:
        """The pictures at these positions, in this order. `DataError` where one is not there or is none."""
        ...


@final
class StoredImages:
    """uint8 pictures (items, 3, height, width) of a shelf, `positions` of it where not all."""

    dtype = torch.uint8
    device = torch.device("cpu")

    def __init__(self, shelf: Shelf, positions: Int64[Tensor, " items"] | None = None) -> None:
        self.shelf = shelf
        self.positions = torch.arange(len(shelf)) if positions is None else positions

    @property
    def shape(self) -> torch.Size:
        """As a tensor's."""
        return torch.Size((len(self.positions), 3, *self.shelf.size))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, which: int | slice | Sequence[int] | Tensor) -> Tensor:
        """Pictures, read now: one for a number, else several."""
        chosen = self.positions[which if isinstance(which, int | slice | Tensor) else list(which)]
        return self.shelf.read(chosen.reshape(-1).tolist()).reshape(*chosen.shape, *self.shape[1:])

    def take(self, positions: Int64[Tensor, " taken"]) -> "StoredImages":
        """Those at these positions, in this order; nothing is read."""
        return StoredImages(self.shelf, self.positions[positions])


ImageSet: TypeAlias = Pixels | StoredImages


def in_batches(images: ImageSet, size: int = BATCH) -> Iterator[Pixels]:
    """All pictures in order, so many at a time."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


def in_memory(images: ImageSet) -> Pixels:
    """All of them as one tensor; the same one where they are that already."""
    if not isinstance(images, StoredImages):
        return images
    pixels = torch.empty(images.shape, dtype=torch.uint8)
    for number, batch in enumerate(in_batches(images)):
        pixels[number * BATCH : number * BATCH + len(batch)] = batch
    return pixels
