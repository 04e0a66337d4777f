"""One array of somebody's file: its name, shape and type are known, its values are read when they are asked for."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np

from crossattack.errors import DataError

Format: TypeAlias = Literal["HDF5", "MATLAB 5", "numpy", "zip"]
MOST_BYTES = 4 * 2**30  # of one array that is read whole
MOST_PACKED = 1100  # bytes that one byte of a file can stand for: zlib's best is 1,032
BROKEN = (
    *(OSError, ValueError, KeyError, TypeError, RuntimeError, IndexError, EOFError, AttributeError),
    *(MemoryError, OverflowError, zlib.error, struct.error, NotImplementedError, BadZipFile),
)


@dataclass(frozen=True)
class Variable:
    """`variable.opened()[3:5]` reads two rows. Of texts, an item is a tuple of strings: most have one, some several.

    shape: as Python sees it; HDF5 shows MATLAB's axes in reverse. dtype: None where the values are texts.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    path: Path
    format: Format
    opened: Callable[[], Any]

    @property
    def where(self) -> str:
        """`FLICKR-25K.mat: LAll`."""
        return f"{self.path.name}: {self.name}"

    @property
    def holds_texts(self) -> bool:
        """Whether its values are strings."""
        return self.dtype is None

    def whole(self) -> np.ndarray:
        """All numbers; `DataError` where they are too many, or not there."""
        assert self.dtype is not None
        size = int(np.prod([float(side) for side in self.shape])) * self.dtype.itemsize
        if size > MOST_BYTES:
            raise DataError(f"{self.where}: at most {MOST_BYTES:,} bytes wanted, {size:,} declared; get the file again.")
        with explained(self.path, self.format):
            values = np.asarray(self.opened()[...])
            if values.shape != self.shape:
                raise ValueError(f"{self.name} is {values.shape} rather than {self.shape}")
            return values

    def texts(self) -> list[tuple[str, ...]]:
        """All texts."""
        with explained(self.path, self.format):
            return list(self.opened())


def check_packing(declared: int, stored: int, name: str) -> None:
    """`ValueError` where so few bytes cannot be so many: a tiny file that declares terabytes."""
    if declared > MOST_PACKED * max(stored, 1):
        raise ValueError(f"{name} declares {declared:,} bytes in {stored:,}")


@contextmanager
def explained(path: Path, format: Format) -> Iterator[None]:
    """Whatever a damaged file makes a reader say, in one line of ours."""
    try:
        yield
    except BROKEN as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path.name}: a whole {format} file wanted, a damaged one got ({said:.200}); get it again.") from None
