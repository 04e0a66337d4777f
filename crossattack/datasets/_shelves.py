"""Shelves: where the pictures of large sets lie, in one array of a file or in a file each."""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy import ndarray
from PIL import Image

from crossattack.datasets._files import Files
from crossattack.datasets._pictures import Box, read_picture
from crossattack.datasets._variable import Variable, explained
from crossattack.errors import DataError
from crossattack.stored import Pixels

MOST_KEPT = 2**29  # bytes of pictures


class Axes(NamedTuple):
    """Which axis of an array is which."""

    items: int
    channel: int
    height: int
    width: int


@dataclass(frozen=True)
class FileShelf:
    """Pictures in a file each, read by as many threads as there are cores and brought to one size.

    Where all of them together are small they are kept once they were read, so that another pass over them decodes nothing.
    boxes: what to cut out of each, if anything.
    """

    files: Files
    names: Sequence[str]
    size: tuple[int, int]
    boxes: Sequence[Box | None] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def kept(self) -> tuple[ndarray, ndarray] | None:
        """Room for all pictures, and which are there; None where that is too much."""
        room = (len(self), 3, *self.size)
        return (np.empty(room, np.uint8), np.zeros(len(self), bool)) if math.prod(room) <= MOST_KEPT else None

    def read(self, positions: list[int]) -> Pixels:
        """Those that are not kept, from their files."""
        if self.kept is None:
            return torch.from_numpy(self.decoded(positions))
        pictures, there = self.kept
        if missing := [position for position in dict.fromkeys(positions) if not there[position]]:
            pictures[missing] = self.decoded(missing)
            there[missing] = True
        return torch.from_numpy(pictures[positions])

    def decoded(self, positions: list[int]) -> ndarray:
        """Pillow decodes and resizes without holding the interpreter."""
        pixels = np.empty((len(positions), 3, *self.size), np.uint8)

        def place(number: int) -> None:
            position = positions[number]
            pixels[number] = read_picture(self.files, self.names[position], *self.size, self.boxes[position] if self.boxes else None)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(place, range(len(positions))))
        return pixels


@dataclass(frozen=True)
class NoShelf:
    """No pictures, where there should be some. said: what was wanted and what to do."""

    items: int
    said: str
    size: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return self.items

    def read(self, positions: list[int]) -> Pixels:
        raise DataError(self.said)


@dataclass(frozen=True)
class ArrayShelf:
    """Pictures in one array of four axes, in whatever order these come. wanted: another height and width than the file's.

    Neighbours are read together and a turned array is not copied, so that a pass over the file costs what reading it costs.
    """

    variable: Variable
    axes: Axes
    wanted: tuple[int, int] | None = None

    def __len__(self) -> int:
        return self.variable.shape[self.axes.items]

    @cached_property
    def array(self) -> Any:
        """The open array, from the first reading on."""
        return self.variable.opened()

    @property
    def own(self) -> tuple[int, int]:
        """Height and width in the file."""
        return self.variable.shape[self.axes.height], self.variable.shape[self.axes.width]

    @property
    def size(self) -> tuple[int, int]:
        return self.wanted or self.own

    def read(self, positions: list[int]) -> Pixels:
        """Each run of neighbours with one request."""
        different, back = np.unique(np.array(positions, np.int64), return_inverse=True)
        runs = np.split(different, np.flatnonzero(np.diff(different) > 1) + 1)
        with explained(self.variable.path, self.variable.format):
            parts = [self.rows(int(run[0]), int(run[-1]) + 1) for run in runs if len(run)]
        if not parts:
            return torch.empty(0, 3, *self.size, dtype=torch.uint8)
        pixels = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if len(back) != len(different) or (np.diff(back) != 1).any():
            pixels = pixels[back]
        return torch.from_numpy(self.resized(self.as_bytes(pixels)))

    def rows(self, first: int, end: int) -> ndarray:
        """Neighbours, as (items, channel, height, width); a view."""
        index = [slice(None)] * 4
        index[self.axes.items] = slice(first, end)
        return np.asarray(self.array[tuple(index)]).transpose(self.axes)

    def as_bytes(self, pixels: ndarray) -> ndarray:
        """The same as uint8; `DataError` where a value is not a whole number of 0 to 255."""
        if pixels.dtype == np.uint8:
            return pixels
        if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 255 or (pixels != np.floor(pixels)).any():
            low, high = np.nanmin(pixels), np.nanmax(pixels)
            raise DataError(
                f"{self.variable.where}: pixels as whole numbers of 0 to 255 wanted, {pixels.dtype} of {low:.4g} to {high:.4g} got; "
                "use the file from before they were scaled or centred."
            )
        return pixels.astype(np.uint8)

    def resized(self, pixels: ndarray) -> ndarray:
        """Brought to the wanted size, antialiased."""
        if self.size == self.own:
            return pixels
        return np.stack([shrunk(picture, *self.size) for picture in pixels])


def shrunk(picture: ndarray, height: int, width: int) -> ndarray:
    """One picture (3, ...) at another size, with all its pixels."""
    whole = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    return np.asarray(whole.resize((width, height), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
