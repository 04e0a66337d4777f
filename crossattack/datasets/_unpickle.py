"""Pickles of plain data, from whoever: containers, numbers, strings and numpy arrays; nothing in them is run or imported.

A pickle names what is to be called while it is read. Here the few names that plain data needs lead to stand-ins of ours that
only note down what they are given, and every other name is refused.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

from crossattack.errors import DataError

PLAIN_TYPE = re.compile(r"[<>=|]?[biufSU]\d{0,4}|[<>=|]?\?")
BROKEN = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ImportError, MemoryError, OverflowError, RecursionError),
)


class Kind:
    """Stands for a numpy dtype."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name.decode("latin1") if isinstance(name, bytes) else str(name)
        self.order: Literal["<", ">", "="] = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"

    def flat(self, raw: Any, shape: tuple[int, ...]) -> np.ndarray | list[Any]:
        """The numbers or strings in these bytes."""
        if self.name.startswith("O") and isinstance(raw, list):
            return raw
        if not PLAIN_TYPE.fullmatch(self.name):
            raise pickle.UnpicklingError(f"an array of {self.name}")
        content = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)  # Python 2 wrote bytes as strings
        values = np.frombuffer(content, np.dtype(self.name).newbyteorder(self.order))
        if len(values) != math.prod(shape):
            raise pickle.UnpicklingError(f"{len(values)} values for an array of {shape}")
        return values


class Array:
    """Stands for a numpy array; `flat` are its numbers in one row, `values` the same as a list."""

    def __init__(self, *_: Any) -> None:
        self.flat: np.ndarray | list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        *_, shape, kind, _, raw = state
        self.flat = kind.flat(raw, tuple(shape))

    @property
    def values(self) -> list[Any]:
        """The numbers, or whatever an array of objects held."""
        values: list[Any] = self.flat.tolist() if isinstance(self.flat, np.ndarray) else self.flat
        return values


def from_buffer(raw: Any, kind: Kind, shape: tuple[int, ...], *_: Any) -> Array:
    """An array as protocol 5 writes it."""
    array = Array()
    array.flat = kind.flat(raw, tuple(shape))
    return array


def scalar(kind: Kind, raw: Any) -> Any:
    """A number that is numpy's."""
    values = kind.flat(raw, ())
    return values.tolist()[0] if isinstance(values, np.ndarray) else values[0]


def to_bytes(text: str = "", encoding: str = "") -> bytes:
    """Bytes as protocols before 3 write them."""
    return text.encode("latin1")


NUMPY: dict[str, Callable[..., Any]] = {
    "_reconstruct": Array,
    "scalar": scalar,
    "_frombuffer": from_buffer,
    "ndarray": Array,
    "dtype": Kind,
}
MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
ALLOWED = {(module, name): stand_in for module in MODULES for name, stand_in in NUMPY.items()} | {
    ("_codecs", "encode"): to_bytes,
    ("__builtin__", "bytes"): to_bytes,
}


class Plain(pickle.Unpickler):
    """Knows the stand-ins and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"a call of {module}.{name}, which is not run")
        return partial(ALLOWED[module, name])  # one of its own: a pickle may set attributes of what it is given


def unpickled(content: bytes, where: str) -> Any:
    """What the pickle holds, each array as an `Array`; `DataError` where it holds anything but plain data."""
    try:
        return Plain(io.BytesIO(content), encoding="latin1").load()
    except BROKEN as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{where}: a pickle of lists, numbers, strings and arrays wanted, another got ({said}); get the file again."
        ) from None


def listed(value: Any) -> list[Any]:
    """A list, a tuple or an array of a pickle as a list; `TypeError` for anything else."""
    if isinstance(value, Array):
        return value.values
    if isinstance(value, list | tuple):
        return list(value)
    raise TypeError(f"a list wanted, {type(value).__name__} got")
