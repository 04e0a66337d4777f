"""Your own pictures: a folder or a zip, and a table of their texts and labels."""

from dataclasses import dataclass

import numpy as np
import torch

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import left_open, own_root
from crossattack.datasets._pictures import check_size
from crossattack.datasets._shelves import FileShelf
from crossattack.datasets._splits import split_by_group
from crossattack.datasets._table import rows_in, table_in
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
    picture with several texts has several rows, and the labels of all of them. Each row is a pair, a picture is a group, and
    relevant is what shares a label. Roles are drawn picture by picture, in pairs; None is a twelfth for queries, a half for training, five
    twenty-fourths for the attacker, a sixtieth held back. Pictures are read when they are needed and brought to `height` x `width`.
    """

    root: str | None = None
    table: str | None = None
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
        called = sorted({label for row in rows for label in row.labels})
        column = {label: number for number, label in enumerate(called)}
        of_picture = np.zeros((len(names), len(called)), bool)
        for group, row in zip(groups.tolist(), rows, strict=True):
            of_picture[group, [column[label] for label in row.labels]] = True
        if not of_picture.any(1).all():
            bare = names[~of_picture.any(1)].tolist()
            raise DataError(
                f"{table}: a label of every picture wanted, none of {bare[0]} and {len(bare) - 1:,} more got; nothing finds them."
            )
        images = StoredImages(FileShelf(files, names.tolist(), (self.height, self.width)), torch.from_numpy(groups))
        labels, texts = torch.from_numpy(of_picture[groups]), tuple(row.text for row in rows)
        credit = (Credit(f"your {files.root.name}", "terms of its owner"),) * len(rows)
        told = (("layout", f"{len(names):,} pictures and {table} of {len(rows):,} rows"),)
        pairs = Pairs(images, texts, labels, torch.from_numpy(groups), tuple(called), credit, None, told)
        wanted = {role: getattr(self, role) or max(1, round(share * len(rows))) for role, share in SHARES.items()}
        return pairs, split_by_group(pairs.groups, **wanted, seed=self.split_seed)
