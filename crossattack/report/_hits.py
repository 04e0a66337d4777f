"""What a target found for a few queries: the heads of its lists, with distances, and which of them are right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from crossattack.datasets import Pairs
from crossattack.rankings import Judged, Lists, Ranking, Similar
from crossattack.report._edits import told
from crossattack.report._thumbnails import small

TOP = 8  # of what was found, before and after
LABELS = 4  # of an item that are named


@dataclass(frozen=True)
class Hit:
    """One found item. verdict: right, wrong, or junk, which counts neither way. stayed: whether it is in the other list too."""

    place: int
    item: int
    distance: str | None
    verdict: str
    stayed: bool
    labels: str
    text: str | None
    picture: str | None  # a data address


@dataclass(frozen=True)
class Found:
    """The heads of a query's lists before and after, and the places of the first right answer in all that is known of them."""

    before: tuple[Hit, ...]
    after: tuple[Hit, ...]
    first: tuple[int | None, int | None]


@dataclass(frozen=True)
class Shelf:
    """What is known of the database: its pairs, None where the data set is not at hand, and what of them is found."""

    pairs: Pairs | None
    database: Int64[Tensor, " items"]  # positions of its items among the pairs
    finds_texts: bool
    pictures: bool  # whether any may be shown


def found(ranking: Judged, rows: Sequence[int], shelf: Shelf) -> list[Found]:
    """What these queries find, clean and attacked."""
    own = of_queries(ranking, rows)
    orders = [own.top(name, own.items) for name in ("clean", "attacked")]
    lists = []
    for query in range(len(rows)):
        listed = [order[query].tolist() for order in orders]
        heads = [each[:TOP] for each in listed]
        both = set(heads[0]) & set(heads[1])
        hits = [
            tuple(
                _hit(place + 1, item, distance, _verdict(own, query, item), item in both, shelf)
                for place, (item, distance) in enumerate(zip(head, _distances(own, name, query, head), strict=True))
            )
            for name, head in zip(("clean", "attacked"), heads, strict=True)
        ]
        places = [_first(own, query, each) for each in listed]
        lists.append(Found(hits[0], hits[1], (places[0], places[1])))
    return lists


def of_queries(ranking: Judged, rows: Sequence[int]) -> Judged:
    """The same ranking with these queries alone."""
    taken = list(rows)
    picked: dict[str, Any] = {"queries": {name: values[taken] for name, values in ranking.queries.items()}}
    for name in ("relevant", "groups", "wanted", "junk"):
        if (values := getattr(ranking, name, None)) is not None:
            picked[name] = values[taken]
    return replace(ranking, **picked)


def labels_of(pairs: Pairs | None, item: int) -> str:
    """Names of an item's labels."""
    if pairs is None:
        return ""
    named = [pairs.label_names[label] for label in torch.nonzero(pairs.labels[item]).flatten().tolist()]
    return ", ".join(named[:LABELS]) + (" …" if len(named) > LABELS else "")


def _hit(place: int, item: int, distance: str | None, verdict: str, stayed: bool, shelf: Shelf) -> Hit:
    pair = int(shelf.database[item])
    text = told(shelf.pairs.texts[pair]) if shelf.pairs and shelf.finds_texts else None
    picture = small(shelf.pairs.images[pair]) if shelf.pairs and not shelf.finds_texts and shelf.pictures else None
    return Hit(place, item, distance, verdict, stayed, labels_of(shelf.pairs, pair), text, picture)


def _distances(ranking: Judged, name: str, query: int, items: list[int]) -> list[str | None]:
    """How far these items are from a query, as the target counts it; None where nobody sees that."""
    if isinstance(ranking, Lists):
        return [None] * len(items)
    asked, stored = ranking.queries[name][query], ranking.database[items]
    if isinstance(ranking, Ranking):
        return [str(int(each)) for each in (stored != asked).sum(1)]
    if ranking.measure == "cosine":
        return [f"{float(each):.3f}" for each in 1 - torch.nn.functional.cosine_similarity(stored, asked[None])]
    return [f"{float(each):.3f}" for each in (stored - asked).norm(dim=1)]


def _verdict(ranking: Judged, query: int, item: int) -> str:
    if _is_junk(ranking, query, item):
        return "junk"
    return "right" if ranking.relevant[query, item] else "wrong"


def _is_junk(ranking: Judged, query: int, item: int) -> bool:
    return isinstance(ranking, Similar) and ranking.junk is not None and bool(ranking.junk[query, item])


def _first(ranking: Judged, query: int, order: list[int]) -> int | None:
    """The place of the first right answer, as listed, junk and all; None where there is none."""
    right = ranking.relevant[query, order]
    if isinstance(ranking, Similar) and ranking.junk is not None:
        right = right & ~ranking.junk[query, order]
    places = np.flatnonzero(right)
    return int(places[0]) + 1 if len(places) else None
