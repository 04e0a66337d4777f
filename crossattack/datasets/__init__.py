"""Data sets: pictures with texts, labels and groups, and how they are split.

A data set is one file of this folder: a frozen dataclass of settings with `load(progress) -> tuple[Pairs, Split]`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossattack.progress import Progress
from crossattack.stored import ImageSet, Pixels, StoredImages, in_memory
from surrogates.texts import Text


@dataclass(frozen=True)
class Credit:
    """Who drew a picture, and under which licence it may be shown."""

    source: str
    licence: str


@dataclass(frozen=True)
class Pairs:
    """Pictures with their texts: item i is `images[i]`, `texts[i]`, `labels[i]`; of pictures alone, `texts` is empty.

    Two items are relevant to each other when they share at least one label. `groups[i]` is what an item depicts (the
    concept, the scene, the person): sampling, splitting and bootstrapping treat the items of one group as one.

    junk: marks, where a picture can be neither right nor wrong for some query: a database item is taken out of the ranking
    of each query with which it shares a mark (the same person on the same camera, a view too poor to tell).

    Pictures are a tensor, or lie in files and are read batch by batch (`stored.py`); `pixels()` is a tensor in either case.
    told: what a reader of somebody's files found out about them, as (what, finding).
    captions: every text of an item's picture, where pictures come with several; `texts[i]` is the one of them that stands for it, or all.
    """

    images: ImageSet
    texts: Sequence[Text]
    labels: Bool[Tensor, "items labels"]
    groups: Int64[Tensor, " items"]
    label_names: tuple[str, ...]
    credits: tuple[Credit, ...] = ()  # one an item, or none at all
    junk: Bool[Tensor, "items marks"] | None = None
    told: tuple[tuple[str, str], ...] = ()
    captions: Sequence[tuple[str, ...]] = ()

    def __len__(self) -> int:
        return len(self.images)

    def pictures(self) -> "Pairs":
        """The same without texts."""
        return replace(self, texts=(), captions=())

    def pixels(self) -> Pixels:
        """All pictures, in memory."""
        return in_memory(self.images)

    def read(self) -> "Pairs":
        """The same with all pictures in memory."""
        return replace(self, images=self.pixels())

    def take(self, items: Int64[Tensor, " taken"]) -> "Pairs":
        """The pairs at these positions, in this order."""
        chosen = items.tolist()
        return Pairs(
            self.images.take(items) if isinstance(self.images, StoredImages) else self.images[items],
            tuple(self.texts[i] for i in chosen) if self.texts else (),
            self.labels[items],
            self.groups[items],
            self.label_names,
            tuple(self.credits[i] for i in chosen) if self.credits else (),
            None if self.junk is None else self.junk[items],
            self.told,
            tuple(self.captions[i] for i in chosen) if self.captions else (),
        )


@dataclass(frozen=True)
class Split:
    """Positions of the pairs in each role. All are disjoint, but that train may be part of the database (as in DCMH).

    query      pictures and texts that are attacked
    database   what the target's owner searches in
    train      what the target learns from: part of the database, or of other people and things altogether
    attacker   the attacker's own pairs
    held_back  pairs like the attacker's on which the referee measures the surrogate, never queried by the attacker
    """

    query: Int64[Tensor, " query"]
    database: Int64[Tensor, " database"]
    train: Int64[Tensor, " train"]
    attacker: Int64[Tensor, " attacker"]
    held_back: Int64[Tensor, " held_back"] = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def digest(self) -> str:
        """Sixteen hexadecimal digits that two equal splits share."""
        running = hashlib.sha256()
        for role in fields(self):
            running.update(role.name.encode() + getattr(self, role.name).numpy().astype("<i8").tobytes())
        return running.hexdigest()[:16]


@runtime_checkable
class Dataset(Protocol):
    """What a file of this folder holds: settings, and a way to the pairs.

    One whose pictures are of real people says `real_people: ClassVar[bool] = True`, and no report shows them unasked; one that reads
    the user's copy says in `obtained: ClassVar[str]` who gives it away.
    """

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split, fetched and built on first use."""
        ...
