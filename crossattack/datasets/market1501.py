"""Market-1501 and what is laid out like it or as torchreid has it: people on several cameras, cut out by a detector."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import left_open, own_root
from crossattack.datasets._marks import both, one_hot
from crossattack.datasets._pictures import check_size
from crossattack.datasets._reid import NOBODY, Boxes, Cuts, cuts_in
from crossattack.datasets._shelves import FileShelf
from crossattack.datasets._splits import split_of_others, whole_groups
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages
from crossattack.streams import Streams

WANTED = "Market-1501 (Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015) or another folder as torchreid has it"
INSTEAD = "take the stand-in `--data avatars`, which needs no folder"


@dataclass(frozen=True, kw_only=True)
class Market1501:
    """People on several cameras, your own copy: a picture finds the same person on other cameras.

    root: the folder with `bounding_box_train`, `query` and `bounding_box_test`, or one above it, or a zip of it (Market-1501,
    DukeMTMC-reID, CUHK03-NP); MSMT17 with its lists; or CUHK03 as torchreid unpacks it, whose boxes are `detected` or `labeled`.
    Relevant is the same person; pictures of a query's person on the query's own camera are taken out of its ranking. Pictures of
    person -1 (poor cuts) are left out, those of person 0 stay in the database as distractors and have no label and a group
    each. Queries that find nobody are left out, as the field does. The target's training set is half of the training people;
    the attacker's pictures, at most `attacker`, and those held back are of the other half. Pictures are read when they are
    needed.
    """

    has_texts: ClassVar[bool] = False
    obtained: ClassVar[str] = "their authors, on request: Market-1501, DukeMTMC-reID, CUHK03 and MSMT17 have pages of their own"
    real_people: ClassVar[bool] = True
    root: str | None = None
    height: int = 256
    width: int = 128
    boxes: Boxes = "detected"
    attacker: int = 5000
    held_back: int = 200
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_size("market1501", self.height, self.width)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        files = left_open(own_root(self.root, "market1501", WANTED, INSTEAD))
        with progress.stage(f"listing the pictures of {files.root.name}", total=1) as tick:
            found = cuts_in(files, self.boxes, INSTEAD)
            tick(1, "")
        taken = dealt(found.of("train"), self.attacker, self.held_back, self.split_seed)
        cuts = found.take(np.isin(found.people, [*taken["train"], *taken["attacker"], *taken["held_back"]]) | found.are_searched())
        nobody, searched = cuts.people == NOBODY, cuts.roles != "train"
        if not (cuts.roles == "query").any():
            raise DataError(f"{files.root}: a query whose person is on another camera too wanted, none got; get the pictures again.")
        images = StoredImages(FileShelf(files, cuts.names, (self.height, self.width)))
        groups = np.where(nobody, cuts.people.max() + 1 + np.arange(len(nobody)), cuts.people)
        labels, people = one_hot(cuts.people)
        junk = both(cuts.people, cuts.cameras, searched & ~nobody)
        credit = (Credit(f"your {files.root.name}", "terms of its authors"),) * len(groups)
        left = len(found.names) - len(cuts.names)
        told = (
            ("layout", cuts.layout),
            ("people, cameras, distractors", f"{len(people):,}, {len(np.unique(cuts.cameras)):,}, {nobody.sum():,}"),
            ("left out", f"{left:,} pictures: queries that find nobody on another camera, and training people whom no role has room for"),
        )
        taken["search"] = np.unique(groups[searched]).tolist()
        split = split_of_others(groups, taken, cuts.roles == "query", self.split_seed)
        names = tuple(cuts.called(person) for person in people)
        return Pairs(images, (), labels, torch.from_numpy(groups), names, credit, junk, told), split


def dealt(cuts: Cuts, attacker: int, held_back: int, seed: int) -> dict[str, list[int]]:
    """Training people: half for the target, and of the other half as many as make up the attacker's and the held-back pictures."""
    numbers, counts = np.unique(cuts.people, return_counts=True)
    sizes = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    drawn: list[int] = Streams(seed).numpy("split", "groups").permutation(numbers).tolist()
    if len(drawn) < 3:
        raise DataError(f"three people or more wanted for training, {len(drawn)} got; the target, the attacker and the referee need some.")
    train, others = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    kept = whole_groups(others[:-1], sizes, held_back)
    return {"train": train, "held_back": kept, "attacker": whole_groups([one for one in others if one not in kept], sizes, attacker)}
