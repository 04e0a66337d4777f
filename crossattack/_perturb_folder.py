"""A folder of pictures -> a folder of changed ones. All is checked that can be before anything is written."""

import io
import sys
from dataclasses import dataclass
from math import log10
from pathlib import Path

import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from crossattack._perturb_reading import Picture, is_picture, read_picture
from crossattack._perturb_tiles import in_tiles
from crossattack.attacks._fields import Eps
from crossattack.attacks._generator_file import Forger, load_generator
from crossattack.cache import whole_file
from crossattack.endpoint import Images
from crossattack.errors import DataError, UsageError
from crossattack.progress import progress_for

ROWS = 256  # of a picture, compared at a time


@dataclass(frozen=True)
class Written:
    """A picture that was changed: how far, by what a reader finds in its file. psnr is None where nothing was changed."""

    name: str
    written: str
    height: int
    width: int
    linf: float  # in [0, 1]
    psnr: float | None  # decibels
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of each file. refused: pictures that could not be taken; skipped: no pictures; by name, the reason."""

    forge: Forger
    eps: float
    written: tuple[Written, ...]
    refused: dict[str, str]
    skipped: dict[str, str]


def perturb_folder(generator: Path, in_dir: Path, out_dir: Path, *, eps: str | None, force: bool) -> Outcome:
    """Change all pictures of a folder. Problems of one picture are told in the outcome; anything else raises."""
    forge = load_generator(generator)
    radius = forge.origin.eps if eps is None else _radius(eps)
    pictures, skipped = _sorted(in_dir)
    _refuse_unfit(in_dir, out_dir, pictures, force)
    written: list[Written] = []
    refused: dict[str, str] = {}
    with progress_for(sys.stderr).stage("perturbing", len(pictures)) as tick:
        for path in pictures:
            try:
                written.append(_perturbed(forge, read_picture(path), radius, path.name, out_dir))
            except DataError as error:
                refused[path.name] = str(error)
            tick(1, path.name)
    return Outcome(forge, radius, tuple(written), refused, skipped)


def _radius(eps: str) -> float:
    try:
        found: float = TypeAdapter(Eps).validate_python(eps)
    except ValidationError as error:
        raise UsageError(f"eps: 0 to 1 wanted, {eps} got. Pixels are in [0, 1]: write 8/255.") from error
    return found


def _sorted(in_dir: Path) -> tuple[list[Path], dict[str, str]]:
    """Pictures of the folder, and what else is in it with the reason why it is none."""
    try:
        everything = sorted(in_dir.iterdir())
    except OSError as error:
        raise UsageError(f"IN_DIR: a folder of pictures wanted, {in_dir} got ({error.strerror}).") from error
    pictures, skipped = [], {}
    for path in everything:
        if not path.is_file():
            skipped[path.name] = "a folder, which is not looked into" if path.is_dir() else "no file"
        elif is_picture(path):
            pictures.append(path)
        else:
            skipped[path.name] = "no picture"
    if not pictures:
        raise UsageError(f"IN_DIR: a folder of pictures wanted, {in_dir} got, where none of {len(everything)} files is one.")
    return pictures, skipped


def _refuse_unfit(in_dir: Path, out_dir: Path, pictures: list[Path], force: bool) -> None:
    """`UsageError` where something would be lost."""
    if out_dir.resolve() == in_dir.resolve():
        raise UsageError(f"OUT_DIR: another folder than IN_DIR wanted, {out_dir} got: pictures are not overwritten.")
    if out_dir.exists() and not out_dir.is_dir():
        raise UsageError(f"OUT_DIR: a folder wanted, the file {out_dir} got.")
    if out_dir.is_dir() and any(out_dir.iterdir()) and not force:
        raise UsageError(f"OUT_DIR: an empty folder wanted, {out_dir} holds something; name another, or add `--force`.")
    taken: dict[str, str] = {}
    for path in pictures:
        other = taken.setdefault(path.stem.casefold(), path.name)
        if other != path.name:
            raise UsageError(f"IN_DIR: names that differ wanted, {other} and {path.name} would both be {path.stem}.png; rename one.")


def _perturbed(forge: Forger, picture: Picture, eps: float, name: str, out_dir: Path) -> Written:
    changed = in_tiles(lambda images: forge(images, eps), picture.pixels)
    path = out_dir / f"{Path(name).stem}.png"
    try:
        with whole_file(path) as file:
            file.write_bytes(_as_png(changed, picture.profile))
    except OSError as error:
        raise UsageError(f"OUT_DIR: room to write {path.name} wanted, none got in {out_dir} ({error.strerror}).") from error
    found = read_picture(path).pixels
    largest, noise = _changed(picture.pixels, found)
    return Written(name, path.name, found.shape[2], found.shape[3], largest, noise, picture.notes)


def _changed(clean: Images, changed: Images) -> tuple[float, float | None]:
    """`linf` and `psnr` of a picture, some rows at a time: of a large one there is no room for a copy in floats."""
    largest = squares = 0
    for before, after in zip(torch.split(clean, ROWS, dim=2), torch.split(changed, ROWS, dim=2), strict=True):
        change = after.int() - before.int()
        largest, squares = max(largest, int(change.abs().max())), squares + int(change.square().sum())
    return largest / 255, 10 * log10(255**2 * clean.numel() / squares) if squares else None


def _as_png(picture: Images, profile: bytes | None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture[0].permute(1, 2, 0).contiguous().numpy()).save(file, "PNG", icc_profile=profile)
    return file.getvalue()
