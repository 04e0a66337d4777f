"""MIRFlickr-25K: photographs from Flickr with their owners' tags and 24 labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import left_open, own_root
from crossattack.datasets._mirflickr_raw import is_raw, read_raw
from crossattack.datasets._named_splits import SplitName, check_wish, split_by_name
from crossattack.datasets._photographs import photograph_pairs, population, processed_pairs
from crossattack.datasets._pictures import check_pixels
from crossattack.datasets._processed import PHOTOGRAPH, Order, processed
from crossattack.datasets._shelves import FileShelf
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages

WANTED = "MIRFlickr-25K (Huiskes and Lew, The MIR Flickr Retrieval Evaluation, MIR 2008): its folder, or a file such as FLICKR-25K.mat"
INSTEAD = "take the stand-in `--data pictograms`, which needs no folder"
CREDIT = Credit("MIRFlickr-25K (photographs of Flickr's users)", "Creative Commons, each photographer's own")
POPULATIONS = {
    20_015: "pairs with a label and one of the 1,386 common tags (DCMH, MITH, UCCH)",
    24_581: "pairs with a label (DCHMT)",
    25_000: "all pairs",
}


@dataclass(frozen=True, kw_only=True)
class Mirflickr:
    """MIRFlickr-25K, your own copy in any layout: photographs, tags, 24 labels; relevant is what shares a label.

    root: the authors' folder (pictures, meta/tags, annotations v080), or the file or folder of a processed layout, which is told by
    what is in it. population: which pairs of the authors' folder are taken; a processed file holds one already. pixels: the side
    of a picture; None is 224 for photographs and what the file holds for arrays. axes: whether arrays hold height before width
    (`python`) or width before height (`matlab`), where the layout does not tell. split: docs/datasets.md. Pictures are read when
    they are needed.
    """

    real_people: ClassVar[bool] = True
    obtained: ClassVar[str] = "press.liacs.nl/mirflickr (pictures, tags, annotations); processed files come with the papers' code"
    root: str | None = None
    population: Literal["tagged", "labelled", "all"] = "tagged"
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
        check_pixels("mirflickr", self.pixels)
        check_wish("mirflickr", self)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        root = own_root(self.root, "mirflickr", WANTED, INSTEAD)
        with progress.stage(f"reading tags and labels of {root.name}", total=1) as tick:
            pairs = self.from_arrays(root) or self.from_folder(root)
            tick(1, "")
        return pairs, split_by_name(self, pairs.labels.numpy())

    def from_arrays(self, root: Path) -> Pairs | None:
        """A processed layout; None where there is none."""
        found = processed(root, order=self.axes, pixels=self.pixels, caption_seed=self.caption_seed)
        return None if found is None else processed_pairs(found, POPULATIONS, CREDIT)

    def from_folder(self, root: Path) -> Pairs:
        """The authors' own files."""
        files = left_open(root)
        if not is_raw(files):
            raise DataError(f"{root}: {WANTED} wanted, neither got; check --root, or {INSTEAD}.")
        raw = read_raw(files)
        labelled, tagged = np.asarray(raw.labels.any(1), bool), np.array([bool(tags) for tags in raw.tags])
        kept = np.flatnonzero({"all": np.ones_like(labelled), "labelled": labelled, "tagged": labelled & tagged}[self.population])
        if not len(kept):
            raise DataError(f"{root}: pairs of the population `{self.population}` wanted, none got; choose another `population`.")
        side = self.pixels or PHOTOGRAPH
        images = StoredImages(FileShelf(files, [raw.names[item] for item in kept.tolist()], (side, side)))
        labels = raw.labels[kept]
        told = (
            ("layout", "raw: the authors' pictures, tags and annotations"),
            ("texts", f"tags out of {len(raw.vocabulary):,} common ones"),
            ("population", population(len(kept), POPULATIONS, labels)),
        )
        return photograph_pairs(images, [raw.tags[item] for item in kept.tolist()], labels, raw.label_names, CREDIT, told)
