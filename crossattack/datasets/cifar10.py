"""CIFAR-10: 60,000 small photographs of ten kinds of things."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._files import Files, opened, own_root
from crossattack.datasets._named_splits import SIZES, OwnOrNamed, check_wish, split_by_name
from crossattack.datasets._photographs import photograph_pairs, population
from crossattack.datasets._unpickle import Array, listed, unpickled
from crossattack.errors import DataError
from crossattack.progress import Progress

WANTED = "CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009): cifar-10-batches-py or -bin"
INSTEAD = "take the stand-in `--data scenes`, which needs no folder"
CREDIT = Credit("CIFAR-10 (Krizhevsky, 2009)", "terms of its author")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
SIDE = 32
ROW = 1 + 3 * SIDE * SIDE  # bytes of a picture in the binary version: its kind, then red, green, blue
USUAL = {**SIZES, "concept": (1000, 5000)}
POPULATIONS = {60_000: "all pictures, 50,000 to learn from and 10,000 of the test batch"}


@dataclass(frozen=True, kw_only=True)
class Cifar10:
    """CIFAR-10, your own copy: small photographs of ten kinds of things, with the name of the kind as their text.

    root: the folder with `cifar-10-batches-py` (pickles, read as plain data) or `cifar-10-batches-bin`. One label a picture, so
    relevant is the same kind. split: `concept` draws 1,000 queries and 5,000 pairs for training in equal parts of each kind;
    `own` takes the test batch for queries; others are those of `mirflickr`. All of it is held in memory, 184 MB.
    """

    obtained: ClassVar[str] = "cs.toronto.edu/~kriz/cifar.html (python or binary version)"
    root: str | None = None
    split: OwnOrNamed = "concept"
    query: int | None = None
    train: int | None = None
    attacker: int = 2000
    held_back: int = 200
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_wish("cifar10", self)

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split. `ConfigError` without a root, `DataError` where it holds something else."""
        with opened(own_root(self.root, "cifar10", WANTED, INSTEAD)) as files, progress.stage("reading CIFAR-10", len(BATCHES)) as tick:
            batches = list[tuple[UInt8[ndarray, "_ 3 32 32"], Int64[ndarray, " _"]]]()
            for name in BATCHES:
                batches.append(read_batch(files, name))
                tick(1, name)
            root = files.root
        images, kinds = np.concatenate([pixels for pixels, _ in batches]), np.concatenate([numbers for _, numbers in batches])
        if kinds.min() < 0 or kinds.max() >= len(CLASSES):
            raise DataError(f"{root}: kinds of 0 to 9 wanted, {kinds.min()} to {kinds.max()} got; get it again.")
        labels = kinds[:, None] == np.arange(len(CLASSES))[None, :]
        told = (("layout", "batches of the author"), ("population", population(len(kinds), POPULATIONS, labels)))
        texts = [(CLASSES[kind],) for kind in kinds.tolist()]
        pairs = photograph_pairs(torch.from_numpy(images), texts, labels, CLASSES, CREDIT, told)
        test = np.arange(len(kinds)) >= len(kinds) - len(batches[-1][1])
        return pairs, split_by_name(self, pairs.labels.numpy(), test if self.split == "own" else None, USUAL)


def read_batch(files: Files, name: str) -> tuple[UInt8[ndarray, "_ 3 32 32"], Int64[ndarray, " _"]]:
    """Pictures and kinds of one batch, in either version."""
    found = [path for path in files.names if PurePosixPath(path).name in (name, f"{name}.bin")]
    if len(found) != 1:
        raise DataError(f"{files.root}: one {name} wanted, {len(found)} got; {WANTED}: check --root, or {INSTEAD}.")
    content, where = files.read(found[0]), f"{files.root}: {found[0]}"
    if found[0].endswith(".bin"):
        rows = np.frombuffer(content[: len(content) // ROW * ROW], np.uint8).reshape(-1, ROW)
        if not len(rows) or len(content) % ROW:
            raise DataError(f"{where}: rows of {ROW:,} bytes wanted, {len(content):,} bytes got; get it again.")
        return np.ascontiguousarray(rows[:, 1:]).reshape(-1, 3, SIDE, SIDE), rows[:, 0].astype(np.int64)
    written = unpickled(content, where)
    try:
        held = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in written.items()}
        data, kinds = held["data"], np.array([int(kind) for kind in listed(held["labels"])], np.int64)
        pixels = data.flat if isinstance(data, Array) and isinstance(data.flat, np.ndarray) else np.empty(0)
        if pixels.dtype != np.uint8 or pixels.size != len(kinds) * (ROW - 1) or not len(kinds):
            raise ValueError(f"{pixels.size:,} values of {pixels.dtype} for {len(kinds):,} pictures")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{where}: `data` and `labels` as CIFAR-10 has them wanted, others got ({error}); get it again.") from None
    return pixels.reshape(-1, 3, SIDE, SIDE), kinds
