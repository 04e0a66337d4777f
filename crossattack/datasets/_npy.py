"""Arrays as numpy keeps them, `.npy` and `.npz`, from whoever: no pickles, and no more declared than is there."""

import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from crossattack.datasets._variable import Variable, check_packing, explained

STRINGS = "US"


def npy_variables(path: Path) -> list[Variable]:
    """The one array of the file, under the file's name."""
    with explained(path, "numpy"), open(path, "rb") as file:
        shape, dtype = declared(file, path.stat().st_size, path.stem)
        return [variable(path, path.stem, shape, dtype, partial(np.load, path, "r"))]


def npz_variables(path: Path) -> list[Variable]:
    """The arrays of the archive; none where it is an archive of other things."""
    found = []
    with explained(path, "zip"), zipped(path) as archive:
        for member in (one for one in archive.infolist() if one.filename.endswith(".npy")):
            check_packing(member.file_size, member.compress_size, member.filename)
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                shape, dtype = declared(file, member.file_size, name)
            found.append(variable(path, name, shape, dtype, partial(from_archive, path, name)))
    return found


def variable(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], opened: Any) -> Variable:
    """Numbers, or strings."""
    if dtype.kind in STRINGS:
        return Variable(name, (int(np.prod(shape)),), None, path, "numpy", lambda: strings(opened()))
    return Variable(name, shape, dtype, path, "numpy", opened)


def declared(file: Any, size: int, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type, which have to fit the bytes that follow. file: of bytes."""
    version = npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    if dtype.kind not in "biuf" + STRINGS:
        raise ValueError(f"{name} holds {dtype}, neither numbers nor texts")
    if int(np.prod([float(side) for side in shape])) * dtype.itemsize > size:
        raise ValueError(f"{name} declares {dtype} {shape} in {size:,} bytes")
    return shape, dtype


def from_archive(path: Path, name: str) -> np.ndarray:
    """One array of the archive."""
    with zipped(path), np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[name])


def zipped(path: Path) -> zipfile.ZipFile:
    """The archive; `ValueError` where it is none."""
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None


def strings(values: np.ndarray) -> list[tuple[str, ...]]:
    """Strings as they are, bytes as UTF-8."""
    flat = values.reshape(-1).tolist()
    return [(value.decode() if isinstance(value, bytes) else value,) for value in flat]
