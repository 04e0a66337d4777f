"""Wikipedia's featured articles: a picture and a section of text each, in ten subjects."""

import html
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import Files, left_open, own_root
from crossattack.datasets._named_splits import OwnOrNamed, check_wish, split_by_name
from crossattack.datasets._photographs import photograph_pairs, population
from crossattack.datasets._pictures import check_pixels, is_picture
from crossattack.datasets._processed import PHOTOGRAPH
from crossattack.datasets._shelves import FileShelf
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages

WANTED = "the Wikipedia set (Rasiwasia et al., A New Approach to Cross-Modal Multimedia Retrieval, ACM Multimedia 2010)"
INSTEAD = "take the stand-in `--data scenes`, which needs no folder"
CREDIT = Credit("Wikipedia's featured articles (Rasiwasia et al., ACM Multimedia 2010)", "CC-BY-SA, pictures each its own")
SUBJECTS = ("art", "biology", "geography", "history", "literature", "media", "music", "royalty", "sport", "warfare")
LISTS = ("train", "test")
POPULATIONS = {2866: "all articles, 2,173 to learn from and 693 queries"}
TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, kw_only=True)
class Wikipedia:
    """Wikipedia's featured articles, your own copy: a picture, a section of text, one of ten subjects; relevant is the same subject.

    root: the authors' folder with `trainset_txt_img_cat.list`, `testset_txt_img_cat.list`, `texts` and `images`. split: `own` is
    theirs, the test list for queries and the training list for the database and for training, less the attacker's pairs; others
    are those of `mirflickr`.
    """

    real_people: ClassVar[bool] = True
    obtained: ClassVar[str] = "svcl.ucsd.edu/projects/crossmodal"
    root: str | None = None
    pixels: int = PHOTOGRAPH
    split: OwnOrNamed = "own"
    query: int | None = None
    train: int | None = None
    attacker: int = 400
    held_back: int = 100
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_pixels("wikipedia", self.pixels)
        check_wish("wikipedia", self)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        root = own_root(self.root, "wikipedia", WANTED, INSTEAD)
        files = left_open(root)
        rows = [(*row, block == "test") for block in LISTS for row in listed(files, block)]
        texts = {PurePosixPath(name).stem: name for name in files.names if name.lower().endswith(".xml")}
        pictures = {PurePosixPath(name).stem: name for name in files.names if is_picture(name)}
        if missing := [one for text, picture, _, _ in rows for one, there in ((text, texts), (picture, pictures)) if one not in there]:
            raise DataError(f"{root}: {missing[0]} and {len(missing) - 1:,} more texts or pictures wanted, not there; get them again.")
        labels = np.zeros((len(rows), len(SUBJECTS)), bool)
        labels[np.arange(len(rows)), [subject for _, _, subject, _ in rows]] = True
        with progress.stage(f"reading {root.name}", total=len(rows)) as tick:
            said = list[str]()
            for text, _, _, _ in rows:
                said.append(section(files, texts[text]))
                tick(1, "")
        images = StoredImages(FileShelf(files, [pictures[picture] for _, picture, _, _ in rows], (self.pixels, self.pixels)))
        told = (("layout", "raw: lists, texts and pictures"), ("population", population(len(rows), POPULATIONS, labels)))
        pairs = photograph_pairs(images, said, labels, SUBJECTS, CREDIT, told)
        queries = np.array([of_test for _, _, _, of_test in rows])
        return pairs, split_by_name(self, pairs.labels.numpy(), queries if self.split == "own" else None)


def listed(files: Files, block: str) -> list[tuple[str, str, int]]:
    """Text, picture and subject (from 0) of each line of a list."""
    found = [name for name in files.names if PurePosixPath(name).name == f"{block}set_txt_img_cat.list"]
    if len(found) != 1:
        raise DataError(f"{files.root}: one {block}set_txt_img_cat.list wanted, {len(found)} got; {WANTED}: check --root.")
    rows = list[tuple[str, str, int]]()
    for number, line in enumerate(files.read(found[0]).decode("utf-8", "replace").splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 3 or not parts[2].isdecimal() or len(parts[2]) > 4 or not 1 <= int(parts[2]) <= len(SUBJECTS):
            raise DataError(f"{found[0]}, line {number}: a text, a picture and a subject of 1 to 10 wanted, {line:.60} got.")
        rows.append((parts[0], parts[1], int(parts[2]) - 1))
    return rows


def section(files: Files, name: str) -> str:
    """The words of an article's section; its XML is not parsed, as nothing but its text is wanted."""
    try:
        written = files.read(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{files.root}: {name} in UTF-8 wanted, other bytes got ({error.reason} at {error.start}); convert it.") from None
    inside = re.search(r"<text>(.*)</text>", written, re.S)
    text = " ".join(html.unescape(TAG.sub(" ", inside[1] if inside else written)).split())
    if not text:
        raise DataError(f"{files.root}: a text wanted in {name}, none got; get it again.")
    return text
