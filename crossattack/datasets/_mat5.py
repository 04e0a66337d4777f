"""MATLAB files of versions 5 to 7, from whoever: numbers, strings and cells of strings, and nothing else.

Why not scipy's reader: it follows cells into cells as deep as a file says, in C, so that a file of 240 kB can end the process. This
one knows one level, reads the headers of all variables and the values of none until they are asked for.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from crossattack.datasets._variable import MOST_BYTES, Variable, check_packing, explained

MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin1", 2: "latin1", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}  # types in which strings are stored
CELL, CHAR = 1, 4
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX, LOGICAL = 0x08, 0x02
HEAD = 4096  # bytes in which a variable's name, class and shape stand


@dataclass(frozen=True)
class Matrix:
    """A variable's header, and where its values begin within the variable's bytes."""

    name: str
    kind: int
    shape: tuple[int, ...]
    logical: bool
    values: int


@dataclass(frozen=True)
class Place:
    """Where a variable lies in its file."""

    start: int
    length: int
    packed: bool


def mat5_variables(path: Path) -> list[Variable]:
    """The variables of numbers, strings or cells; `DataError` where the file is damaged."""
    found = []
    with explained(path, "MATLAB 5"), open(path, "rb") as file:
        order = byte_order(file)
        for place in places(file, order):
            matrix = header(content(file, place, HEAD), order)
            opened = partial(read, path, place, matrix, order)
            if matrix.kind in CLASSES:
                dtype = np.dtype(np.bool_ if matrix.logical else CLASSES[matrix.kind])
                check_packing(int(np.prod([float(side) for side in matrix.shape])), place.length, matrix.name)
                found.append(Variable(matrix.name, matrix.shape, dtype, path, "MATLAB 5", opened))
            elif matrix.kind in (CELL, CHAR):
                items = matrix.shape[0] if matrix.kind == CHAR else int(np.prod([float(side) for side in matrix.shape]))
                check_packing(items, place.length, matrix.name)
                found.append(Variable(matrix.name, (items,), None, path, "MATLAB 5", opened))
    return found


def byte_order(file: BinaryIO) -> str:
    """`<` or `>`; at the end of the header of 128 bytes."""
    mark = file.read(128)[126:]
    if mark not in (b"IM", b"MI"):
        raise ValueError("no mark of its byte order")
    return "<" if mark == b"IM" else ">"


def places(file: BinaryIO, order: str) -> Iterator[Place]:
    """Every variable of the file, in order."""
    end = file.seek(0, 2)
    start = 128
    while start < end:
        file.seek(start)
        kind, length = struct.unpack(order + "II", file.read(8))
        if kind not in (MATRIX, COMPRESSED) or length > end - start - 8:
            raise ValueError(f"{length:,} bytes of type {kind} at {start:,}, {end - start - 8:,} there")
        yield Place(start + 8, length, kind == COMPRESSED)
        start += 8 + length


def content(file: BinaryIO, place: Place, most: int) -> bytes:
    """The variable's bytes, unpacked, at most so many."""
    file.seek(place.start)
    if not place.packed:
        return file.read(min(place.length, most))
    packed = zlib.decompressobj()
    unpacked = packed.decompress(file.read(place.length if most > HEAD else min(place.length, most)), most + 8)
    if most > HEAD and not packed.eof:  # only at its end is the checksum compared
        raise ValueError("packed values that are cut off, or more of them than declared")
    return unpacked[8:]  # behind a tag of its own


def element(raw: bytes, start: int, order: str) -> tuple[int, int, int, int]:
    """Type, beginning and length of a part of a variable, and where the next one begins."""
    kind, length = struct.unpack_from(order + "II", raw, start)
    if kind >> 16:  # a small one: both in four bytes, and the values in the other four
        return kind & 0xFFFF, start + 4, kind >> 16, start + 8
    return kind, start + 8, length, start + 8 + -(-length // 8) * 8


def header(raw: bytes, order: str) -> Matrix:
    """Name, class and shape."""
    _, flags, _, following = element(raw, 0, order)
    (word,) = struct.unpack_from(order + "I", raw, flags)
    _, start, length, following = element(raw, following, order)
    shape = struct.unpack_from(f"{order}{length // 4}i", raw, start)
    _, start, length, following = element(raw, following, order)
    name = raw[start : start + length].decode("latin1")
    if not shape or min(shape) < 0 or len(shape) > 8 or (word >> 8) & COMPLEX:
        raise ValueError(f"{name} of shape {shape} is no array of real numbers")
    return Matrix(name, word & 0xFF, shape, bool((word >> 8) & LOGICAL), following)


def read(path: Path, place: Place, matrix: Matrix, order: str) -> Any:
    """The values: an array of numbers, or a list of tuples of strings."""
    with open(path, "rb") as file:
        values = MOST_BYTES if matrix.kind == CELL else int(np.prod([float(side) for side in matrix.shape])) * 8
        raw = content(file, place, min(MOST_BYTES, HEAD + values))
    if matrix.kind == CHAR:
        return [(line,) for line in lines(raw, matrix, order)]
    if matrix.kind != CELL:
        return numbers(raw, matrix, order)
    following, found = matrix.values, list[tuple[str, ...]]()
    for _ in range(int(np.prod(matrix.shape))):
        kind, start, length, following = element(raw, following, order)
        if kind != MATRIX:
            raise ValueError(f"{matrix.name} has a cell of type {kind}")
        inner = raw[start : start + length]
        found.append(tuple(lines(inner, header(inner, order), order)) if length else ())
    return found


def numbers(raw: bytes, matrix: Matrix, order: str) -> np.ndarray:
    """Numbers, which MATLAB stores in as few bytes as they fit in, first axis first."""
    kind, start, length, _ = element(raw, matrix.values, order)
    if kind not in NUMBERS or start + length > len(raw):
        raise ValueError(f"{matrix.name} has {len(raw) - start:,} of {length:,} bytes of type {kind}")
    stored = np.frombuffer(raw, order + NUMBERS[kind], length // np.dtype(NUMBERS[kind]).itemsize, start)
    wanted = np.bool_ if matrix.logical else CLASSES[matrix.kind]
    return stored.reshape(matrix.shape, order="F").astype(wanted)


def lines(raw: bytes, matrix: Matrix, order: str) -> list[str]:
    """The rows of an array of characters, without the blanks that fill them up."""
    if matrix.kind != CHAR or len(matrix.shape) != 2:
        raise ValueError(f"{matrix.name} has a cell that is no text")
    rows, columns = matrix.shape
    if not rows or not columns:
        return []
    kind, start, length, _ = element(raw, matrix.values, order)
    if kind not in TEXTS or start + length > len(raw):
        raise ValueError(f"{matrix.name} has text of type {kind}, {len(raw) - start:,} of {length:,} bytes")
    wide = TEXTS[kind] in ("utf-16", "utf-32")
    text = raw[start : start + length].decode(TEXTS[kind] + {"<": "-le", ">": "-be"}[order] if wide else TEXTS[kind])
    if len(text) != rows * columns:
        if rows > 1:
            raise ValueError(f"{matrix.name} has {len(text)} characters for {rows} x {columns}")
        return [text.rstrip()]
    return ["".join(text[row::rows]).rstrip() for row in range(rows)]
