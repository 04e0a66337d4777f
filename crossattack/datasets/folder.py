"""Your own pictures: a folder or a zip, and a table of their texts and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Int64
from numpy import ndarray

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import left_open, own_root
from crossattack.datasets._pictures import check_size
from crossattack.datasets._shelves import FileShelf
from crossattack.datasets._splits import split_by_group
from crossattack.datasets._table import Row, rows_in, table_in
from crossattack.datasets._words import captions_told, texts_of
from crossattack.errors import ConfigError, DataError
from crossattack.progress import Progress
from crossattack.stored import StoredImages

WANTED = "a folder or a zip of pictures with a table, a .csv or .jsonl of `image`, `text`, `labels`"
INSTEAD = "take `--data pictograms`, which needs no folder"
SHARES = {"query": 1 / 12, "train": 1 / 2, "attacker": 5 / 24, "held_back": 1 / 60}  # of all pairs


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Your own pictures with texts and labels: a folder or a zip, and a CSV or JSONL that says what is what.

    The table has the columns `image` (a path inside the folder), `text` and `labels` (separated by `;`), a row a text: a
    picture with several texts has several rows, and the labels of all of them. Each row is a pair (`text: each`), or each picture is one
    with one of its texts, drawn by `caption_seed` (`one`), or with `all` in a row; `Pairs.captions` has them all. A picture is a group, and
    relevant is what shares a label. Roles are drawn picture by picture, in pairs; None is a twelfth for queries, a half for training, five
    twenty-fourths for the attacker, a sixtieth held back. Pictures are read when they are needed and brought to `height` x `width`.
    """

    obtained: ClassVar[str] = "it is yours: a row a text, columns `image`, `text`, `labels`"
    root: str | None = None
    table: str | None = None
    text: Literal["each", "one", "all"] = "each"
    caption_seed: int = 0
    height: int = 224
    width: int = 224
    query: int | None = None
    train: int | None = None
    attacker: int | None = None
    held_back: int | None = None
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_size("folder", self.height, self.width)
        for name in SHARES:
            if (got := getattr(self, name)) is not None and got < 1:
                raise ConfigError(f"`{name}` of folder: 1 pair or more wanted, {got} got; the nearest is 1.")

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        files = left_open(own_root(self.root, "folder", WANTED, INSTEAD))
        table = table_in(files, self.table)
        with progress.stage(f"reading {table}", total=1) as tick:
            rows = rows_in(files, table)
            tick(1, "")
        names, groups = np.unique(np.array([row.image for row in rows]), return_inverse=True)
        known = set(files.names)
        if missing := [name for name in names.tolist() if name not in known]:
            raise DataError(f"{files.root}: {missing[0]} and {len(missing) - 1:,} more pictures wanted, not there; check `image`.")
        called = tuple(sorted({label for row in rows for label in row.labels}))
        of_picture = labels_of(rows, groups, called)
        if not of_picture.any(1).all():
            bare = names[~of_picture.any(1)].tolist()
            raise DataError(
                f"{table}: a label of every picture wanted, none of {bare[0]} and {len(bare) - 1:,} more got; nothing finds them."
            )
        captions = captions_of(rows, groups)
        if self.text == "each":
            texts = tuple(row.text for row in rows)
        else:
            texts, groups = texts_of(captions, self.text, self.caption_seed), np.arange(len(names))
        images = StoredImages(FileShelf(files, names.tolist(), (self.height, self.width)), torch.from_numpy(groups))
        several = max(len(held) for held in captions) > 1
        credit = (Credit(f"your {files.root.name}", "terms of its owner"),) * len(groups)
        told = (
            ("layout", f"{len(names):,} pictures and {table} of {len(rows):,} rows"),
            ("texts", f"{len(rows):,} texts, a pair each" if self.text == "each" else captions_told(captions, self.text)),
        )
        kept = tuple(captions[group] for group in groups.tolist()) if several else ()
        labels = torch.from_numpy(of_picture[groups])
        pairs = Pairs(images, texts, labels, torch.from_numpy(groups), called, credit, None, told, kept)
        wanted = {role: getattr(self, role) or max(1, round(share * len(groups))) for role, share in SHARES.items()}
        return pairs, split_by_group(pairs.groups, **wanted, seed=self.split_seed)


def labels_of(rows: Sequence[Row], pictures: Int64[ndarray, " rows"], called: Sequence[str]) -> Bool[ndarray, "items labels"]:
    """Each picture's labels: those of all its rows. pictures: which one a row speaks of."""
    column = {label: number for number, label in enumerate(called)}
    labels = np.zeros((int(pictures.max()) + 1, len(called)), bool)
    for picture, row in zip(pictures.tolist(), rows, strict=True):
        labels[picture, [column[label] for label in row.labels]] = True
    return labels


def captions_of(rows: Sequence[Row], pictures: Int64[ndarray, " rows"]) -> list[tuple[str, ...]]:
    """Each picture's texts, in the order of the rows."""
    said = [list[str]() for _ in range(int(pictures.max()) + 1)]
    for picture, row in zip(pictures.tolist(), rows, strict=True):
        said[picture].append(row.text)
    return [tuple(texts) for texts in said]
