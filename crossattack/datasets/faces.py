"""Faces: any folder of folders of people, as AT&T, LFW and CFP come."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import commonpath
from typing import ClassVar

import numpy as np
import torch

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import Files, left_open, own_root
from crossattack.datasets._marks import one_hot
from crossattack.datasets._pictures import check_size, is_picture
from crossattack.datasets._shelves import FileShelf
from crossattack.datasets._splits import dealt_by_share, split_of_others, turns
from crossattack.errors import ConfigError, DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages
from crossattack.streams import Streams

WANTED = "a folder or a zip of folders of people (AT&T Database of Faces, Labeled Faces in the Wild, Celebrities in Frontal-Profile)"
INSTEAD = "take the stand-in `--data avatars`, which needs no folder"
POSES = ("frontal", "profile")  # CFP's: folders inside a person's


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Faces of people, your own copy: a picture finds other pictures of the same person in a gallery.

    root: a folder or a .zip in which each picture lies in its person's folder, at any depth. The layouts of AT&T
    (`s7/3.pgm`), LFW (`Ada_Lovelace/Ada_Lovelace_0001.jpg`) and CFP (`Data/Images/007/profile/02.jpg`) are such. Train,
    attacker, held back and search are shares of the people, at least one each. Of a person that is searched for, `gallery`
    drawn pictures are the database and the others queries, at least one where there are two; one alone is only searched
    in. Grey pictures get three equal channels. Pictures are read when they are needed.
    """

    has_texts: ClassVar[bool] = False
    obtained: ClassVar[str] = "their authors: AT&T, LFW and CFP have pages of their own"
    real_people: ClassVar[bool] = True
    root: str | None = None
    height: int = 112
    width: int = 96
    gallery: int = 5
    train: float = 0.4
    attacker: float = 0.2
    held_back: float = 0.05
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_size("faces", self.height, self.width)
        if self.gallery < 1:
            raise ConfigError(f"`gallery` of faces: 1 picture a person or more wanted, {self.gallery} got.")
        shares = (self.train, self.attacker, self.held_back)
        if min(shares) < 0 or sum(shares) >= 1:
            raise ConfigError(f"`train`, `attacker`, `held_back` of faces: shares of the people below 1 in all wanted, {shares} got.")

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        files = left_open(own_root(self.root, "faces", WANTED, INSTEAD))
        with progress.stage(f"listing the people of {files.root.name}", total=1) as tick:
            names = {name: person_of(name) for name in files.names if is_picture(name) and person_of(name)}
            people, groups = np.unique(np.array(list(names.values()), str), return_inverse=True)
            groups = groups.astype(np.int64)
            check_people(files, groups)
            shares = {"train": self.train, "attacker": self.attacker, "held_back": self.held_back}
            taken = dealt_by_share(groups, shares, self.split_seed)
            turn, of = turns(groups, Streams(self.split_seed).numpy("split", "gallery"))
            queries = turn >= np.clip(of - 1, 1, self.gallery)
            if not queries[np.isin(groups, taken["search"])].any():
                raise DataError(f"{files.root}: a second picture of somebody who is searched for wanted, none got; use more people.")
            tick(1, "")
        images = StoredImages(FileShelf(files, tuple(names), (self.height, self.width)))
        credit = Credit(f"your {files.root.name}", "terms of its owner")
        above = PurePosixPath(commonpath(people.tolist()))
        called = tuple(str(PurePosixPath(person).relative_to(above)) for person in people.tolist())
        counts = np.bincount(groups)
        poses = any(PurePosixPath(name).parent.name in POSES for name in names)
        told = (
            ("layout", f"a folder a person{', as of CFP' if poses else ''}"),
            ("pictures a person", f"{counts.min()} to {counts.max()}, median {int(np.median(counts))}"),
        )
        pairs = Pairs(images, (), one_hot(groups)[0], torch.from_numpy(groups), called, (credit,) * len(groups), None, told)
        return pairs, split_of_others(groups, taken, queries, self.split_seed)


def person_of(name: str) -> str:
    """The folder that is the person: `s7`, `Ada_Lovelace`, `Data/Images/007`; "" for a picture in none."""
    folder = PurePosixPath(name).parent
    if folder.name in POSES:
        folder = folder.parent
    return "" if str(folder) == "." else str(folder)


def check_people(files: Files, groups: np.ndarray) -> None:
    """`DataError` where this is no folder of people of whom some have two pictures."""
    people, pictures = np.unique(groups, return_counts=True)
    if len(people) < 4 or pictures.max() < 2:
        raise DataError(
            f"{files.root}: folders of 4 people or more wanted, of whom some have 2 pictures; {len(groups)} pictures of "
            f"{len(people)} people got; check --root, or {INSTEAD}."
        )
