"""HDF5 files, MATLAB 7.3's among them, from whoever: only what lies in the file itself is looked at.

Links to other files and other names, virtual and external storage, and arrays that declare more than their bytes can hold are
refused before anything is read.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from crossattack.datasets._variable import Variable, check_packing, explained

CACHE = 64 * 2**20  # bytes of unpacked chunks that are kept: neighbouring pictures share a chunk
PRIVATE = "#"  # MATLAB's own: #refs#, #subsystem#


def hdf5_variables(path: Path) -> list[Variable]:
    """The arrays at the top of the file. `DataError` where it is damaged or points elsewhere."""
    with explained(path, "HDF5"), h5py.File(path, "r") as file:
        names = [name for name in file if not name.startswith(PRIVATE)]
        stored = {name: own_array(file, name) for name in names}
        return [described(path, array, name) for name, array in stored.items() if array is not None]


def own_array(file: h5py.File, name: str) -> h5py.Dataset | None:
    """The array of this name, whose bytes lie in this very file; None for a folder of arrays."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link, which is not followed")
    array = file[name]
    if not isinstance(array, h5py.Dataset):
        return None
    if array.is_virtual or array.external:
        raise ValueError(f"{name} lies outside the file")
    if array.shape is None:
        raise ValueError(f"{name} is empty")
    if h5py.check_string_dtype(array.dtype) is None and not h5py.check_ref_dtype(array.dtype):
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} holds {array.dtype}, neither numbers nor texts")
        check_packing(array.size * array.dtype.itemsize, array.id.get_storage_size(), name)
    return array


def described(path: Path, array: h5py.Dataset, name: str) -> Variable:
    """What is known of an array before it is read."""
    if h5py.check_string_dtype(array.dtype) is not None:
        return Variable(name, (array.size,), None, path, "HDF5", lambda: strings(reopened(path, name)))
    if h5py.check_ref_dtype(array.dtype):
        return Variable(name, (array.size,), None, path, "HDF5", lambda: cells(path, name))
    return Variable(name, array.shape, array.dtype, path, "HDF5", lambda: reopened(path, name))


def reopened(path: Path, name: str) -> h5py.Dataset:
    """The array for reading; its file stays open as long as it is held."""
    array = own_array(h5py.File(path, "r", rdcc_nbytes=CACHE), name)
    assert array is not None
    return array


def strings(array: h5py.Dataset) -> list[tuple[str, ...]]:
    """Strings of either length."""
    return [(text.rstrip("\0 "),) for text in np.asarray(array.asstr()[...], object).reshape(-1)]


def cells(path: Path, name: str) -> list[tuple[str, ...]]:
    """MATLAB 7.3's cells of strings: references to arrays of UTF-16 units, which lie in the same file."""
    with h5py.File(path, "r") as file:
        return [(cell(file[reference], name),) for reference in np.asarray(file[name][...], object).reshape(-1)]


def cell(array: Any, name: str) -> str:
    """One string."""
    if not isinstance(array, h5py.Dataset) or array.is_virtual or array.external or array.size > 2**20:
        raise ValueError(f"{name} has a cell that is no text")
    if "MATLAB_empty" in array.attrs:
        return ""
    if array.dtype != np.uint16:
        raise ValueError(f"{name} has a cell of {array.dtype} rather than of text")
    return np.asarray(array[...]).reshape(-1).astype("<u2").tobytes().decode("utf-16-le").rstrip()
