"""Oxford and Paris: photographs of buildings, found by a part of another photograph of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Int64
from numpy import ndarray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import Files, left_open, own_root
from crossattack.datasets._pictures import Box, check_size
from crossattack.datasets._shelves import FileShelf
from crossattack.datasets._unpickle import listed, unpickled
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages
from crossattack.streams import Streams

WANTED = "the folder of Oxford5k or Paris6k (Philbin et al., CVPR 2007 and 2008; revisited by Radenovic et al., CVPR 2018)"
INSTEAD = "take the stand-in `--data instances`, which needs no folder"
LEVELS = {  # which lists of a query are right at a level, and which are neither right nor wrong
    "plain": (("ok",), ("junk",)),
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}


@dataclass(frozen=True)
class Question:
    """One query: a part of a picture, and positions in the list of pictures that are right or neither right nor wrong."""

    name: str
    box: Box
    right: list[int]
    neither: list[int]


@dataclass(frozen=True, kw_only=True)
class OxfordParis:
    """Buildings of Oxford or Paris, your own copy: a part of a photograph finds photographs of the same building.

    root: the folder with `gnd_<which>.pkl` and `jpg/`, or one above it. Each query has a label of its own, shared with
    what is right for it, and a mark of its own, shared with what is neither right nor wrong: at `level` easy what is
    hard, at hard what is easy (Oxford5k and Paris6k of 2007 and 2008 have no levels). Queries for which nothing is right are
    left out. Groups are the buildings, as far as queries tell. There is no training set: targets come with one of their own.
    Of the pictures that no query speaks of, half stay in the database; `attacker` and `held_back` come out of the others.
    Pictures are read when they are needed.
    """

    has_texts: ClassVar[bool] = False
    obtained: ClassVar[str] = "robots.ox.ac.uk/~vgg/data (pictures), cmp.felk.cvut.cz/revisitop (the revisited truth)"
    root: str | None = None
    which: Literal["oxford5k", "paris6k", "roxford5k", "rparis6k"] = "roxford5k"
    level: Literal["easy", "medium", "hard"] = "medium"
    height: int = 224
    width: int = 224
    attacker: int = 1000
    held_back: int = 200
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_size("oxford_paris", self.height, self.width)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        files = left_open(own_root(self.root, "oxford_paris", WANTED, INSTEAD))
        with progress.stage(f"reading the truth of {self.which}", total=1) as tick:
            folder, names, questions = read_truth(files, self.which, self.level if self.which.startswith("r") else "plain")
            tick(1, "")
        pictures = [f"{folder}{name}.jpg" for name in (*(question.name for question in questions), *names)]
        known = set(files.names)
        if missing := [picture for picture in pictures if picture not in known]:
            raise DataError(f"{files.root}: {missing[0]} and {len(missing) - 1} more pictures wanted, not there; get the pictures again.")
        boxes = [*(question.box for question in questions), *[None] * len(names)]
        images = StoredImages(FileShelf(files, pictures, (self.height, self.width), boxes))
        labels = columns([question.right for question in questions], len(names))
        junk = columns([question.neither for question in questions], len(names))
        credit = Credit(f"{self.which} (photographs of Flickr's users)", "terms of the photographers")
        titles = tuple(f"query {number}" for number in range(len(questions)))
        groups = torch.from_numpy(buildings(labels.numpy()))
        level = f", level {self.level}" if self.which.startswith("r") else ""
        told = (("layout", f"the truth of {self.which} as cirtorch writes it{level}; queries first, then the database"),)
        pairs = Pairs(images, (), labels, groups, titles, (credit,) * len(images), junk, told)
        return pairs, self.split(len(questions), ~(labels | junk).any(1).numpy())

    def split(self, queries: int, unspoken: Bool[ndarray, " items"]) -> Split:
        """The queries come first among the items. unspoken: which items no query speaks of."""
        streams = Streams(self.split_seed)
        drawn = streams.numpy("split", "attacker").permutation(np.flatnonzero(unspoken))
        ours = drawn[: len(drawn) // 2]
        if len(ours) < 2:
            raise DataError(f"four pictures that no query speaks of wanted for the attacker, {len(drawn)} got; use the whole set.")
        kept = ours[: max(1, min(self.held_back, len(ours) // 4))]
        attacker = ours[len(kept) :][: self.attacker]
        database = np.setdiff1d(np.arange(queries, len(unspoken)), [*kept, *attacker])
        asked = streams.numpy("split", "query").permutation(queries)
        none = np.empty(0, np.int64)
        roles = (asked, streams.numpy("split", "database").permutation(database), none, attacker, kept)
        return Split(*(torch.from_numpy(items) for items in roles))


def read_truth(files: Files, which: str, level: str) -> tuple[str, list[str], list[Question]]:
    """Where the pictures lie, the names of the database's, and the queries for which something is right."""
    wanted = f"gnd_{which}.pkl"
    found = [name for name in files.names if PurePosixPath(name).name == wanted]
    if len(found) != 1:
        raise DataError(f"{files.root}: one {wanted} wanted, {len(found)} got; check --root and `which`, or {INSTEAD}.")
    where = f"{files.root}: {found[0]}"
    truth = unpickled(files.read(found[0]), where)
    try:
        names = [str(name) for name in listed(truth["imlist"])]
        asked = zip(listed(truth["qimlist"]), listed(truth["gnd"]), strict=True)
        questions = [question(str(name), told, len(names), level) for name, told in asked]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{where}: `imlist`, `qimlist` and `gnd` as cirtorch writes them wanted, others got ({error}).") from None
    questions = [one for one in questions if one.right]
    if not questions:
        raise DataError(f"{where}: a query for which something is right wanted, none got at level {level}; choose another `level`.")
    return f"{PurePosixPath(found[0]).parent}/jpg/".removeprefix("./"), names, questions


def question(name: str, told: dict[str, Any], pictures: int, level: str) -> Question:
    """One query of the truth. `ValueError` where it points at a picture that is none."""
    right, neither = ([int(item) for key in keys for item in listed(told[key])] for keys in LEVELS[level])
    if any(not 0 <= item < pictures for item in (*right, *neither)):
        raise ValueError(f"{name} points outside {pictures} pictures")
    left, top, right_edge, bottom = edges = tuple(float(edge) for edge in listed(told["bbx"]))
    if not all(abs(edge) < 1e6 for edge in edges):
        raise ValueError(f"{name} has the box {edges}")
    return Question(name, (left, top, right_edge, bottom), right, neither)


def columns(marked: Sequence[list[int]], pictures: int) -> Bool[Tensor, "items marks"]:
    """A column a query: itself, and the pictures at these positions. Queries come before pictures."""
    marks = torch.zeros(len(marked) + pictures, len(marked), dtype=torch.bool)
    for column, positions in enumerate(marked):
        marks[[column, *(len(marked) + position for position in positions)], column] = True
    return marks


def buildings(labels: Bool[ndarray, "items labels"]) -> Int64[ndarray, " items"]:
    """A number for all that hangs together: items of one label, of labels that share an item, and so on."""
    items, marks = labels.shape
    rows, marked = np.nonzero(labels)
    graph = csr_array((np.ones(len(rows)), (rows, marked + items)), shape=(items + marks, items + marks))
    return np.asarray(connected_components(graph, directed=False)[1][:items], np.int64)
