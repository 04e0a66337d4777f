"""Processed sets: arrays of pictures, tags and labels as the field hands them around, in any of their layouts.

A  one HDF5 file as MATLAB writes it     images (N, 3, W, H), YAll (words, N), LAll (labels, N)
B  one HDF5 file, rows first             images (N, 3, ...), YAll (N, words), LAll (N, labels)
C  one MATLAB 5 file of features         images (N, 4096): no pixels, so pictures have to lie beside it
D  a file each                           ...-iall.mat, ...-yall.mat, ...-lall.mat
E  one HDF5 file, items last             IAll (H, W, 3, N), TAll (words, N), LAll (labels, N)
F  names of pictures and tags            FAll, YAll, LAll, and the pictures
H  names of pictures and captions        index.mat, caption.mat, label.mat with `category`, and the pictures
I  the same with `label`
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from crossattack.datasets._files import left_open
from crossattack.datasets._pictures import is_picture
from crossattack.datasets._roles import Roles, axes_of, common_length, data_files, label_matrix, roles_in, rows_of
from crossattack.datasets._shelves import ArrayShelf, FileShelf, NoShelf
from crossattack.datasets._variable import Variable
from crossattack.datasets._words import captions_told, texts_of, words_of_rows
from crossattack.errors import DataError
from crossattack.stored import StoredImages
from surrogates.texts import Text

Order: TypeAlias = Literal["auto", "matlab", "python"]
PHOTOGRAPH = 224  # pixels of a side, where pictures are files and nobody says
SAMPLE = 16  # pictures looked at before the others are believed


@dataclass(frozen=True)
class Processed:
    """What was found, and what there is to say about it."""

    images: StoredImages
    texts: tuple[Text, ...]
    labels: Bool[ndarray, "items labels"]
    layout: str
    told: tuple[tuple[str, str], ...]
    captions: tuple[tuple[str, ...], ...]


def processed(root: Path, *, order: Order, pixels: int | None, caption_seed: int) -> Processed | None:
    """The set in these files; None where they hold no set at all. `DataError` where something does not fit."""
    roles = roles_in(data_files(root))
    if "labels" not in roles and not ({"pictures", "names", "features"} & roles.keys() and {"tags", "captions"} & roles.keys()):
        return None
    check_complete(root, roles)
    items = common_length(roles)
    where = root if root.is_dir() else root.parent
    size = (pixels, pixels) if pixels else None
    told = list[tuple[str, str]]()
    if "pictures" in roles:
        axes = axes_of(roles["pictures"], items, order)
        images = StoredImages(ArrayShelf(roles["pictures"], axes, size))
        way = "width before height, as MATLAB's are in Python" if axes.width < axes.height else "height before width"
        told.append(("axes of the pictures", f"{roles['pictures'].shape} taken as {way}; `data.axes` says otherwise"))
    elif "names" in roles:
        images = StoredImages(named_pictures(where, roles["names"].texts(), size or (PHOTOGRAPH, PHOTOGRAPH)))
    else:
        images = StoredImages(NoShelf(items, no_pixels(root, roles["features"])))
    check_sample(images, root)
    captions = roles["captions"].texts() if "captions" in roles else []
    texts: tuple[Text, ...]
    if "captions" in roles:
        texts, said = texts_of(captions, "one", caption_seed), captions_told(captions, "one")
    else:
        texts, said = words_of_rows(rows_of(roles["tags"], items), roles["tags"], root)
    layout = layout_of(roles, items)
    several = captions if any(len(held) > 1 for held in captions) else ()
    said_of = (("layout", layout), *told, ("texts", said))
    return Processed(images, texts, label_matrix(roles["labels"], items), layout, said_of, tuple(several))


def check_complete(root: Path, roles: Roles) -> None:
    """`DataError` where labels, pictures or texts are missing."""
    if "labels" not in roles:
        there = " and ".join(variable.where for variable in roles.values())
        raise DataError(f"{root}: labels (`LAll`, `category`, `label`) wanted beside {there}, none got; get their file too.")
    if not {"pictures", "names", "features"} & roles.keys():
        raise DataError(f"{root}: an array of pictures or their names wanted beside {roles['labels'].where}, none got; check --root.")
    if "tags" not in roles and "captions" not in roles:
        raise DataError(f"{root}: tags or captions wanted beside {roles['labels'].where}, none got; check --root.")


def no_pixels(root: Path, features: Variable) -> str:
    """What layout C alone lacks."""
    got = f"{features.where} {features.shape}, features of pictures"
    return (
        f"{root}: pictures wanted, {got} got (layout C), and an attack changes pixels; put beside it a file with the same pictures, `IAll` "
        "as of layout D, or a list of their names, `FAll` as of layout F, and the pictures."
    )


def check_sample(images: StoredImages, root: Path) -> None:
    """`DataError` where the first pictures are black, or in [0, 1], which hashing codes of 0 and 1 are mistaken for too."""
    if isinstance(images.shelf, NoShelf):
        return
    first = images[torch.arange(min(SAMPLE, len(images)))]
    if not len(first) or int(first.max()) <= 1:
        raise DataError(f"{root}: pictures with pixels of 0 to 255 wanted, none above 1 in the first {len(first)} got; get the file again.")


def layout_of(roles: Roles, items: int) -> str:
    """A letter and a few words."""
    if "names" in roles:
        if "captions" not in roles:
            return "F: names of pictures, tags"
        return f"{'H' if roles['labels'].name.lower() == 'category' else 'I'}: names of pictures, captions, `{roles['labels'].name}`"
    if "features" in roles:
        return f"C: features{', and pictures in a file beside them' if 'pictures' in roles else ' without pictures'}"
    if roles["pictures"].path != roles["labels"].path:
        return "D: pictures, tags and labels in a file each"
    if roles["pictures"].shape[0] != items:
        return "E: one file, items last"
    if roles["labels"].shape[0] != items:
        return "A: one file as MATLAB writes it"
    return "B: one file, rows first"


def named_pictures(root: Path, listed: Sequence[tuple[str, ...]], size: tuple[int, int]) -> FileShelf | NoShelf:
    """The files that a list of paths means, wherever below the root they lie: paths are those of the machine that made the list."""
    files = left_open(root)
    by_name = dict[str, list[str]]()
    for name in files.names:
        if is_picture(name):
            by_name.setdefault(PurePosixPath(name).name, []).append(name)
    asked = [PurePosixPath(" ".join(line).strip().replace("\\", "/")) for line in listed]
    found = [nearest_path(by_name.get(path.name, []), path) for path in asked]
    if missing := [path for path, name in zip(asked, found, strict=True) if name is None]:
        what = f"{missing[0].name} and {len(missing) - 1:,} more of {len(asked):,} pictures"
        return NoShelf(len(asked), f"{root}: {what} wanted, not there; put them below it.")
    names = [name for name in found if name is not None]
    if len(set(names)) != len(names):
        twice, times = np.unique(names, return_counts=True)
        raise DataError(f"{root}: every picture once wanted, {twice[times > 1][0]} got several times; get the lists again.")
    return FileShelf(files, names, size)


def nearest_path(candidates: Sequence[str], path: PurePosixPath) -> str | None:
    """Of files of the right name, the one whose folders agree longest with the path's."""

    def agreement(name: str) -> int:
        pairs = zip(reversed(PurePosixPath(name).parts), reversed(path.parts), strict=False)
        alike = [one == other for one, other in pairs]
        return [*alike, False].index(False)

    return max(candidates, key=agreement, default=None)
