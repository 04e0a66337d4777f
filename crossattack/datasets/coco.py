"""MS-COCO: photographs of everyday scenes with captions and 80 categories of objects."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

import numpy as np

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._coco_json import Photo, read_photos
from crossattack.datasets._files import left_open, own_root
from crossattack.datasets._named_splits import SplitName, check_wish, split_by_name
from crossattack.datasets._photographs import photograph_pairs, population, processed_pairs
from crossattack.datasets._pictures import check_pixels, is_picture
from crossattack.datasets._processed import PHOTOGRAPH, Order, processed
from crossattack.datasets._shelves import FileShelf, NoShelf
from crossattack.datasets._words import Take, captions_told, texts_of
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages

WANTED = "MS-COCO (Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014): a folder with annotations, train and val pictures"
INSTEAD = "take the stand-in `--data scenes`, which needs no folder"
CREDIT = Credit("MS-COCO (photographs of Flickr's users)", "each photographer's own; annotations CC-BY-4.0")
POPULATIONS = {122_218: "pairs with a label (MITH, DCHMT)", 123_287: "all pairs of train and val"}


@dataclass(frozen=True, kw_only=True)
class Coco:
    """MS-COCO, your own copy: photographs, captions, 80 categories; relevant is what shares one.

    root: a folder with `instances_{train,val}<year>.json`, `captions_...` and the pictures, or a processed file or folder, as of
    `mirflickr`. A picture has about five captions: `text: one` draws one of them by `caption_seed`, and it stays that one,
    `all` joins them; `Pairs.captions` has them all. Pairs without a category are left out unless `unlabelled` keeps them, as what
    is never right. Pictures come in the order of their numbers, train before val, and are read when they are needed.
    """

    real_people: ClassVar[bool] = True
    obtained: ClassVar[str] = "cocodataset.org (train and val pictures, annotations of 2014 or 2017)"
    root: str | None = None
    year: Literal[2014, 2017] = 2017
    text: Take = "one"
    caption_seed: int = 0
    unlabelled: bool = False
    pixels: int | None = None
    axes: Order = "auto"
    split: SplitName = "dchmt"
    query: int | None = None
    train: int | None = None
    attacker: int = 2000
    held_back: int = 200
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_pixels("coco", self.pixels)
        check_wish("coco", self)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        root = own_root(self.root, "coco", WANTED, INSTEAD)
        with progress.stage(f"reading captions and labels of {root.name}", total=1) as tick:
            photos, names = read_photos(root, self.year) if root.is_dir() else ([], ())
            pairs = self.from_json(root, photos, names) if photos else self.from_arrays(root)
            tick(1, "")
        return pairs, split_by_name(self, pairs.labels.numpy())

    def from_arrays(self, root: Path) -> Pairs:
        """A processed layout."""
        found = processed(root, order=self.axes, pixels=self.pixels, caption_seed=self.caption_seed)
        if found is None:
            raise DataError(f"{root}: {WANTED}, of {self.year}, wanted, none got; check --root and `data.year`, or {INSTEAD}.")
        return processed_pairs(found, POPULATIONS, CREDIT)

    def from_json(self, root: Path, photos: list[Photo], names: tuple[str, ...]) -> Pairs:
        """The authors' own files."""
        labels = np.zeros((len(photos), len(names)), bool)
        for item, photo in enumerate(photos):
            labels[item, list(photo.categories)] = True
        kept = np.flatnonzero(np.array([bool(photo.captions) for photo in photos]) & (labels.any(1) | self.unlabelled))
        files = left_open(root)
        there = {PurePosixPath(name).name: name for name in files.names if is_picture(name)}
        wanted = [PurePosixPath(photos[item].name).name for item in kept.tolist()]
        side = self.pixels or PHOTOGRAPH
        shelf: FileShelf | NoShelf
        if missing := [name for name in wanted if name not in there]:
            what = f"{missing[0]} and {len(missing) - 1:,} more of {len(wanted):,} pictures"
            shelf = NoShelf(len(wanted), f"{root}: {what} wanted, not there; get them.")
        else:
            shelf = FileShelf(files, [there[name] for name in wanted], (side, side))
        texts = texts_of([photo.captions for photo in photos], self.text, self.caption_seed)
        captions = [photos[item].captions for item in kept.tolist()]
        told = (
            ("layout", f"raw: annotations of {self.year}"),
            ("texts", captions_told(captions, self.text)),
            ("population", population(len(kept), POPULATIONS, labels[kept])),
        )
        return photograph_pairs(StoredImages(shelf), [texts[item] for item in kept.tolist()], labels[kept], names, CREDIT, told, captions)
