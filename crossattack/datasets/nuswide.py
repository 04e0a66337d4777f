"""NUS-WIDE: photographs from Flickr with their owners' tags and 81 concepts."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import left_open, own_root
from crossattack.datasets._named_splits import SIZES, SplitName, check_wish, split_by_name
from crossattack.datasets._nuswide_raw import found_pictures, is_raw, read_photos
from crossattack.datasets._photographs import photograph_pairs, population, processed_pairs
from crossattack.datasets._pictures import check_pixels, is_picture
from crossattack.datasets._processed import PHOTOGRAPH, Order, processed
from crossattack.datasets._shelves import FileShelf, NoShelf
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages

WANTED = "NUS-WIDE (Chua et al., NUS-WIDE: A Real-World Web Image Database, CIVR 2009): its folder, or a file such as NUS-WIDE-TC21.mat"
INSTEAD = "take the stand-in `--data pictograms`, which needs no folder"
CREDIT = Credit("NUS-WIDE (photographs of Flickr's users)", "each photographer's own")
TC21 = (
    *("animal", "beach", "buildings", "clouds", "flowers", "grass", "lake", "mountain", "ocean", "person", "plants"),
    *("reflection", "road", "rocks", "sky", "snow", "sunset", "tree", "vehicle", "water", "window"),
)
USUAL = {**SIZES, "dcmh": (2100, 10_500), "ucch": (2100, None)}
POPULATIONS = {
    195_834: "TC21, pairs with one of 21 concepts (DCMH, DCHMT)",
    190_421: "TC21, those with one of 1,000 tags too (MITH)",
    186_577: "TC10, pairs with one of the 10 most frequent concepts (DJSRH, UCCH)",
    269_648: "all pairs",
}


@dataclass(frozen=True, kw_only=True)
class Nuswide:
    """NUS-WIDE, your own copy, raw or processed: photographs, tags, 81 concepts; relevant is what shares one.

    root: the authors' folder (ImageList, Groundtruth/AllLabels, NUS_WID_Tags, and the pictures, which they give on request), or a
    processed file or folder, as of `mirflickr`. The splits are `mirflickr`'s, but for 2,100 queries of `dcmh` and `ucch` and 10,500 pairs
    for training in `dcmh`. concepts: of the authors' folder, the 21 that the field uses, the 10 most
    frequent, or all 81; pairs without any are left out, and with `tagged` those without a tag too. Pictures are read when they
    are needed.
    """

    real_people: ClassVar[bool] = True
    obtained: ClassVar[str] = (
        "lms.comp.nus.edu.sg (lists, ground truth, tags; pictures by a form); processed files come with the papers' code"
    )
    root: str | None = None
    concepts: Literal["tc21", "tc10", "all"] = "tc21"
    tagged: bool = False
    pixels: int | None = None
    axes: Order = "auto"
    caption_seed: int = 0
    split: SplitName = "dcmh"
    query: int | None = None
    train: int | None = None
    attacker: int = 2000
    held_back: int = 200
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_pixels("nuswide", self.pixels)
        check_wish("nuswide", self)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        root = own_root(self.root, "nuswide", WANTED, INSTEAD)
        with progress.stage(f"reading tags and labels of {root.name}", total=1) as tick:
            found = processed(root, order=self.axes, pixels=self.pixels, caption_seed=self.caption_seed)
            pairs = self.from_folder(root) if found is None else processed_pairs(found, POPULATIONS, CREDIT)
            tick(1, "")
        return pairs, split_by_name(self, pairs.labels.numpy(), usual=USUAL)

    def from_folder(self, root: Path) -> Pairs:
        """The authors' own files."""
        files = left_open(root)
        if not is_raw(files):
            raise DataError(f"{root}: {WANTED} wanted, neither got; check --root, or {INSTEAD}.")
        photos = read_photos(files)
        frequent = sorted(range(len(photos.concepts)), key=lambda column: (-int(photos.labels[:, column].sum()), photos.concepts[column]))
        wanted = {"all": set(photos.concepts), "tc21": set(TC21), "tc10": {photos.concepts[column] for column in frequent[:10]}}
        columns = [column for column, concept in enumerate(photos.concepts) if concept in wanted[self.concepts]]
        labels = photos.labels[:, columns]
        some = np.asarray(labels.any(1), bool) & (np.array([bool(tags) for tags in photos.tags]) | (not self.tagged))
        kept = np.flatnonzero(some).tolist()
        names = found_pictures(files, [photos.paths[item] for item in kept], is_picture)
        if not kept:
            raise DataError(f"{root}: pairs with one of the concepts {self.concepts} wanted, none got; choose other `concepts`.")
        there = [name for name in names if name is not None]
        side = self.pixels or PHOTOGRAPH
        shelf: FileShelf | NoShelf = FileShelf(files, there, (side, side))
        if missing := [photos.paths[item] for item, name in zip(kept, names, strict=True) if name is None]:
            what = f"{missing[0]} and {len(missing) - 1:,} more of {len(kept):,} pictures"
            shelf = NoShelf(len(kept), f"{root}: {what} wanted, not there; ask the authors for them.")
        told = (
            ("layout", f"raw: lists, ground truth and tags; concepts {self.concepts}"),
            ("texts", f"tags out of {len(photos.vocabulary):,}"),
            ("population", population(len(kept), POPULATIONS, labels[kept])),
        )
        texts = [photos.tags[item] for item in kept]
        return photograph_pairs(StoredImages(shelf), texts, labels[kept], [photos.concepts[column] for column in columns], CREDIT, told)
