"""Splits by the names under which the field's numbers are reported.

    dcmh      queries are the first 2,000 pairs, training the 10,000 behind them, the database everything but the queries
    ucch      queries are the last 2,000, and the whole database is trained on
    dchmt     queries and training are the first 5,000 and the next 10,000 of numpy's permutation from the seed 1814
    djsrh     2,000 queries and 5,000 for training, so many of each concept in turn, drawn
    concept   the same in equal parts
    random    drawn, in sizes of your own

The field's papers know no attacker. Here the attacker's pairs and those held back are drawn from what is neither query nor
training, or from the database where all of it is trained on, and leave both: `attacker` and `held_back` of 0 are the papers' own sets.
Queries without a label are passed over, as nothing is right for them. Queries, the attacker's and held-back pairs come in a drawn
order; database and training in that of the file, which is how the field's stable sort breaks ties.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int64
from numpy import ndarray

from crossattack.datasets import Split
from crossattack.errors import ConfigError, DataError
from crossattack.streams import Streams

SplitName: TypeAlias = Literal["dcmh", "ucch", "dchmt", "djsrh", "concept", "random"]
OwnOrNamed: TypeAlias = Literal["own", "dcmh", "ucch", "dchmt", "djsrh", "concept", "random"]  # where a set has queries of its own
SIZES: dict[str, tuple[int, int | None]] = {  # queries, training; None: all that is left
    "dcmh": (2000, 10_000),
    "ucch": (2000, None),
    "dchmt": (5000, 10_000),
    "djsrh": (2000, 5000),
    "concept": (2000, 5000),
}
BY_CONCEPT = ("djsrh", "concept")  # met from below where a concept is rare
SHARES = (1 / 12, 1 / 2)  # of all pairs, for `random`
DCHMT_SEED = 1814
Positions: TypeAlias = Int64[ndarray, " _"]  # of some items or others
Labels: TypeAlias = Bool[ndarray, "items labels"]


@runtime_checkable
class Wish(Protocol):
    """The settings of a data set that say how it is split; `query` and `train` of None are the split's own."""

    @property
    def split(self) -> str: ...
    @property
    def query(self) -> int | None: ...
    @property
    def train(self) -> int | None: ...
    @property
    def attacker(self) -> int: ...
    @property
    def held_back(self) -> int: ...
    @property
    def split_seed(self) -> int: ...


def check_wish(data: str, wish: Wish) -> None:
    """`ConfigError` where a size is none."""
    for name in ("query", "train", "attacker", "held_back"):
        got, least = getattr(wish, name), 1 if name in ("query", "train") else 0
        if got is not None and got < least:
            raise ConfigError(f"`{name}` of {data}: {least} or more wanted, {got} got; the nearest is {least}.")


def split_by_name(
    wish: Wish, labels: Labels, own: Bool[ndarray, " items"] | None = None, usual: Mapping[str, tuple[int, int | None]] = SIZES
) -> Split:
    """The split that is wished for. own: which items are queries where the set itself says so (`split: own`). usual: queries and training.

    `DataError` where the pairs are too few.
    """
    streams, everything = Streams(wish.split_seed), np.arange(len(labels))
    queries, trained = sizes(wish, len(labels), usual)
    labelled = np.asarray(labels.any(1), bool)
    query, train = drawn(wish.split, labels, labelled, own, queries, trained, streams)
    outside = np.setdiff1d(everything, query)
    spare = np.setdiff1d(outside, train) if train is not None else outside
    away = streams.numpy("split", "attacker").permutation(spare)[: wish.attacker + wish.held_back]
    attacker, held_back = away[: wish.attacker], away[wish.attacker :]
    database = np.setdiff1d(outside, away)
    train = database if train is None else train
    exact = own is None and wish.split not in BY_CONCEPT
    short = exact and (len(query) < queries or len(train) < (trained or 0))
    if short or len(away) < wish.attacker + wish.held_back or not len(query) or not len(train) or not len(database):
        raise DataError(
            f"split {wish.split}: {queries:,} queries, {'all others' if trained is None else f'{trained:,}'} for training, "
            f"{wish.attacker:,} for the attacker and {wish.held_back:,} held back wanted, {len(labels):,} pairs got, "
            f"{labelled.sum():,} of them with labels; set `query`, `train`, `attacker`, `held_back`."
        )
    asked = streams.numpy("split", "query").permutation(query)
    return Split(*(torch.from_numpy(np.ascontiguousarray(role)) for role in (asked, database, train, attacker, held_back)))


def sizes(wish: Wish, items: int, usual: Mapping[str, tuple[int, int | None]]) -> tuple[int, int | None]:
    """Queries and training; the latter None for all that is left."""
    query, train = usual.get(wish.split, (max(1, round(SHARES[0] * items)), None if wish.split == "own" else round(SHARES[1] * items)))
    return wish.query or query, wish.train or train


def drawn(
    split: str, labels: Labels, labelled: Bool[ndarray, " items"], own: Bool[ndarray, " items"] | None, queries: int,
    trained: int | None, streams: Streams,
) -> tuple[Positions, Positions | None]:  # fmt: skip
    """Queries and training items, sorted but for the former; training None for all that is left."""
    if own is not None:
        order = np.concatenate([np.flatnonzero(own & labelled), np.flatnonzero(~own)])
        queries = int((own & labelled).sum())
    elif split in BY_CONCEPT:
        rng = streams.numpy("split", split)
        query = by_concept(labels, labelled, queries, rng, first_doubles=split == "djsrh")
        train = by_concept(labels, labelled & ~np.isin(np.arange(len(labels)), query), trained or 0, rng, first_doubles=split == "djsrh")
        return query, np.sort(train)
    elif split == "dcmh":
        order = np.arange(len(labels))
    elif split == "ucch":
        order = np.arange(len(labels))[::-1]
    elif split == "dchmt":
        order = np.random.RandomState(DCHMT_SEED).permutation(len(labels))
    else:
        order = streams.numpy("split", "random").permutation(len(labels))
    query = order[labelled[order]][:queries]
    rest = order[~np.isin(order, query)]
    return query, None if trained is None else np.sort(rest[:trained])


def by_concept(labels: Labels, allowed: Bool[ndarray, " items"], size: int, rng: np.random.Generator, *, first_doubles: bool) -> Positions:
    """As many items of each concept in turn, drawn from those that no earlier concept took; the first concept takes the remainder.

    Where the size is no multiple of the concepts, DJSRH's quota is that of one concept more, so that the first has about two:
    2,000 of 24 are 160 and 23 times 80.
    """
    concepts = labels.shape[1]
    quota = size // (concepts + 1) if first_doubles and size % concepts else size // concepts
    free, taken = allowed.copy(), list[Positions]()
    for concept in range(concepts):
        wanted = size - (concepts - 1) * quota if concept == 0 else quota
        chosen = rng.permutation(np.flatnonzero(labels[:, concept] & free))[:wanted]
        free[chosen] = False
        taken.append(chosen)
    return np.concatenate(taken)
