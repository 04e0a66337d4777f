"""A run's folder as bytes, and back: how it travels between machines.

Files are written one by one, each whole or not at all, config.yaml and results.json last: a folder with the former has all
that was sent, one with the latter all that was found.
"""

import io
import zipfile
from pathlib import Path
from typing import Final

from crossattack.cache import whole_file

LAST: Final = ("config.yaml", "results.json")
STAYS: Final = (".lock",)  # locks are of one machine


def packed(folder: Path) -> bytes:
    """All files of the folder."""
    parcel = io.BytesIO()
    with zipfile.ZipFile(parcel, "w") as file:
        for path in sorted(_files(folder)):
            file.write(path, path.relative_to(folder).as_posix())
    return parcel.getvalue()


def unpack(parcel: bytes, folder: Path) -> None:
    """Make the folder what it was; files that it did not have then go, as a journal must not outlive its database."""
    with zipfile.ZipFile(io.BytesIO(parcel)) as file:
        names = sorted(file.namelist(), key=lambda name: (name in LAST, name))
        for path in _files(folder):
            if path.relative_to(folder).as_posix() not in names:
                path.unlink()
        for name in names:
            with whole_file(folder / name) as path:
                path.write_bytes(file.read(name))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name not in STAYS]
