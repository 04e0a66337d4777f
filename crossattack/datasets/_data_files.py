"""What arrays a file holds, whatever its name says: HDF5, MATLAB or numpy, told apart by their first bytes."""

from pathlib import Path

from crossattack.datasets._hdf5 import hdf5_variables
from crossattack.datasets._mat5 import mat5_variables
from crossattack.datasets._npy import npy_variables, npz_variables
from crossattack.datasets._variable import Variable
from crossattack.errors import DataError

HDF5 = b"\x89HDF\r\n\x1a\n"
USERBLOCKS = (0, 512, 1024, 2048)  # MATLAB 7.3 writes 512 bytes of its own first
ENDINGS = (".mat", ".h5", ".hdf5", ".npy", ".npz")
PAGES = (b"<!doctype", b"<html", b"<?xml")


def variables(path: Path) -> list[Variable]:
    """The arrays of a file; `DataError` where it holds none that can be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(max(USERBLOCKS) + len(HDF5))
    except OSError as error:
        raise DataError(f"{path}: a file to read wanted, none got ({error.strerror}).") from error
    if any(head[start : start + len(HDF5)] == HDF5 for start in USERBLOCKS):
        return hdf5_variables(path)
    if head.startswith(b"\x93NUMPY"):
        return npy_variables(path)
    if head.startswith(b"PK\x03\x04"):
        return npz_variables(path)
    if head[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        return mat5_variables(path)
    raise DataError(f"{path.name}: an HDF5, MATLAB (5 to 7.3) or numpy file wanted, {looks(head)} got; get it again.")


def looks(head: bytes) -> str:
    """What a file is that is none of ours, in a few words."""
    if not head:
        return "an empty file"
    if head.lstrip().lower().startswith(PAGES):
        return "a web page"
    if head.startswith(b"version https://git-lfs"):
        return "a pointer to a file that git-lfs has yet to fetch"
    return "another file"
