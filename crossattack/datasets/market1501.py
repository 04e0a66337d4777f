"""Market-1501: people on six cameras outside a supermarket, cut out by a detector."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Int64, Shaped
from numpy import ndarray

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import Files, opened, own_root
from crossattack.datasets._marks import both, one_hot
from crossattack.datasets._pictures import check_size, is_picture, read_pictures
from crossattack.datasets._splits import split_of_others, whole_groups
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.streams import Streams

WANTED = "the folder of Market-1501 (Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015)"
INSTEAD = "take the stand-in `--data avatars`, which needs no folder"
FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
NAME = re.compile(r"(-?\d+)_c(\d+)")  # 0002_c1s1_000451_03.jpg: person 2 on camera 1
POOR, DISTRACTOR = -1, 0  # "persons"
CREDIT = Credit("Market-1501 (Zheng et al., ICCV 2015)", "terms of its authors")


@dataclass(frozen=True, kw_only=True)
class Market1501:
    """People on six cameras, your own copy: a picture finds the same person on other cameras.

    root: the folder with `bounding_box_train`, `query` and `bounding_box_test`, or one above it. Relevant is the same
    person; pictures of a query's person on the query's own camera are taken out of its ranking. Pictures of person -1 (poor
    cuts) are left out, those of person 0 stay in the database as distractors and have no label and a group each. Queries
    that find nobody are left out, as the field does. The target's training set is half of the training people; the
    attacker's pictures, at most `attacker`, and those held back are of the other half. All of it is held in memory,
    3 GB of it at 256x128.
    """

    has_texts: ClassVar[bool] = False
    obtained: ClassVar[str] = "its authors (Zheng et al., ICCV 2015), on request"
    real_people: ClassVar[bool] = True
    root: str | None = None
    height: int = 256
    width: int = 128
    attacker: int = 5000
    held_back: int = 200
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_size("market1501", self.height, self.width)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        with opened(own_root(self.root, "market1501", WANTED, INSTEAD)) as files:
            found = cuts_in(files)
            taken = dealt(found.of("bounding_box_train"), self.attacker, self.held_back, self.split_seed)
            cuts = found.take(np.isin(found.people, [*taken["train"], *taken["attacker"], *taken["held_back"]]) | found.are_searched())
            images = read_pictures(files, cuts.names, self.height, self.width, progress)
        nobody = cuts.people == DISTRACTOR
        groups = np.where(nobody, cuts.people.max() + 1 + np.arange(len(nobody)), cuts.people)
        labels, people = one_hot(np.where(nobody, -1, cuts.people))
        searched = cuts.folders != "bounding_box_train"
        junk = both(cuts.people, cuts.cameras, searched & ~nobody)
        names = tuple(f"person {person}" for person in people)
        taken["search"] = np.unique(groups[searched]).tolist()
        split = split_of_others(groups, taken, cuts.folders == "query", self.split_seed)
        return Pairs(images, (), labels, torch.from_numpy(groups), names, (CREDIT,) * len(groups), junk), split


@dataclass(frozen=True)
class Cuts:
    """What the files' names say: item i is person `people[i]` on camera `cameras[i]`."""

    names: Sequence[str]
    folders: Shaped[ndarray, " items"]
    people: Int64[ndarray, " items"]
    cameras: Int64[ndarray, " items"]

    def take(self, which: Bool[ndarray, " items"]) -> "Cuts":
        """Those that are wanted, in order."""
        names = tuple(name for name, wanted in zip(self.names, which.tolist(), strict=True) if wanted)
        return Cuts(names, self.folders[which], self.people[which], self.cameras[which])

    def of(self, folder: str) -> "Cuts":
        """Those in this folder."""
        return self.take(self.folders == folder)

    def are_searched(self) -> Bool[ndarray, " items"]:
        """The database, and the queries that find their person there on another camera."""
        database = self.of("bounding_box_test")
        seen = set(zip(database.people.tolist(), database.cameras.tolist(), strict=True))
        cameras = set(database.cameras.tolist())
        found = [
            any((person, other) in seen for other in cameras - {camera})
            for person, camera in zip(self.people.tolist(), self.cameras.tolist(), strict=True)
        ]
        return np.asarray((self.folders == "bounding_box_test") | ((self.folders == "query") & np.array(found, bool)), bool)


def cuts_in(files: Files) -> Cuts:
    """All pictures of the three folders but the poor ones. `DataError` where a folder or a name is not as it should be."""
    paths = [PurePosixPath(name) for name in files.names if is_picture(name)]
    paths = [path for path in paths if path.parent.name in FOLDERS]
    if {path.parent.name for path in paths} != set(FOLDERS) or len({path.parent.parent for path in paths}) > 1:
        got = ", ".join(sorted({str(path.parent) for path in paths})) or "none of them"
        raise DataError(f"{files.root}: pictures in {', '.join(FOLDERS)} of one folder wanted, {got} got; check --root, or {INSTEAD}.")
    read = [NAME.match(path.name) for path in paths]
    if None in read:
        odd = paths[read.index(None)]
        raise DataError(f"{files.root}: names like 0002_c1s1_000451_03.jpg wanted (person 2, camera 1), {odd} got; rename or remove it.")
    numbers = np.array([(int(one[1]), int(one[2])) for one in read if one], np.int64)
    cuts = Cuts(tuple(map(str, paths)), np.array([path.parent.name for path in paths]), numbers[:, 0], numbers[:, 1])
    return cuts.take(cuts.people > POOR)


def dealt(cuts: Cuts, attacker: int, held_back: int, seed: int) -> dict[str, list[int]]:
    """Training people: half for the target, and of the other half as many as make up the attacker's and the held-back pictures."""
    numbers, counts = np.unique(cuts.people, return_counts=True)
    sizes = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    drawn: list[int] = Streams(seed).numpy("split", "groups").permutation(numbers).tolist()
    if len(drawn) < 3:
        raise DataError(
            f"three people or more wanted in bounding_box_train, {len(drawn)} got; the target, the attacker and the referee need some."
        )
    train, others = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    kept = whole_groups(others[:-1], sizes, held_back)
    return {"train": train, "held_back": kept, "attacker": whole_groups([one for one in others if one not in kept], sizes, attacker)}
