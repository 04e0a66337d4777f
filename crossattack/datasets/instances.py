"""Instances: one emoji is one thing, and its designs by up to nine hands are pictures of it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from crossattack.datasets import Pairs, Split
from crossattack.datasets._marks import one_hot
from crossattack.datasets._splits import dealt_by_size, split_of_others, turns
from crossattack.datasets.pictograms import Pictograms
from crossattack.progress import Progress
from crossattack.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Instances:
    """Emoji designs as instances, pictures alone: a drawing is looked for among other hands' drawings of many emojis.

    A stand-in for sets of photographed instances that can be had without asking anybody. The pictures are those of
    `pictograms`; labels and groups are the emojis, so a query's positives are the other designs of its emoji. Emojis of
    train, attacker, held back and search are different ones. Of the emojis that are searched for, designs are queries one
    by one until there are `query`, and at least one design of each stays in the database; so do all designs of the
    emojis that nobody asks about. Sizes of roles are pictures, met from below where an emoji's designs do not fit.
    """

    has_texts: ClassVar[bool] = False
    query: int = 500
    attacker: int = 1000
    held_back: int = 200
    train: int = 6000
    split_seed: int = 0

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split; errors are those of `pictograms`."""
        pairs = Pictograms().load(progress)[0]
        groups = pairs.groups.numpy()
        roles = {"train": self.train, "attacker": self.attacker, "held_back": self.held_back}
        taken = dealt_by_size(groups, roles, self.split_seed)
        queries = asked(groups, np.isin(groups, taken["search"]), self.query, Streams(self.split_seed).numpy("split", "queries"))
        labels, emojis = one_hot(groups)
        alone = replace(pairs, texts=(), labels=labels, label_names=tuple(f"emoji {emoji}" for emoji in emojis))
        return alone, split_of_others(groups, taken, queries, self.split_seed)


def asked(
    groups: Int64[ndarray, " items"], searched: Bool[ndarray, " items"], query: int, rng: np.random.Generator
) -> Bool[ndarray, " items"]:
    """Which items are queries: one design of each emoji in turn, then a second one, never the last."""
    turn, of = turns(groups, rng)
    candidates = rng.permutation(np.flatnonzero(searched & (turn < of - 1)))
    first = candidates[np.argsort(turn[candidates], kind="stable")][:query]
    return np.isin(np.arange(len(groups)), first)
