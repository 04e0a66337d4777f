"""Rankings: the queries of each condition in one direction, beside what they are ranked against.

A hashing target is judged by its codes, a target of features by those, a service that shows nothing else by its lists. All
three answer the same questions; what one of them cannot know is None.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Int8, Int32, Int64
from numpy import ndarray
from torch import Tensor

from crossattack.codes import nearest_ids
from crossattack.metrics import features
from crossattack.metrics.cutoffs import precision_at, success_at
from crossattack.metrics.features import Measure
from crossattack.metrics.hashing import code_entropy, opposite_codes
from crossattack.metrics.hubness import hubness
from crossattack.metrics.ranking import (
    Levels,
    average_precision,
    expected_places,
    levels,
    levels_average_precision,
    listed_average_precision,
    precision_at_recalls,
)

RANKS = (1, 5, 10)


@dataclass(frozen=True)
class Counted:
    """For each query: how many right answers there are, and among how many items it is answered."""

    right: Int64[ndarray, " queries"]
    items: Int64[ndarray, " queries"]


@dataclass(frozen=True)
class Ranking:
    """One direction: codes of the queries by condition, and what they are ranked against.

    wanted: what a targeted attack wants each query to find. chosen: ids that an attack promotes or demotes.
    keys: fingerprints of the database where a service was asked for it.
    """

    queries: dict[str, Int8[Tensor, "queries bits"]]
    database: Int8[Tensor, "items bits"]
    relevant: Bool[ndarray, "queries items"]
    groups: Int64[ndarray, " queries"]
    wanted: Bool[ndarray, "queries items"] | None = None
    chosen: tuple[int, ...] = ()
    keys: list[bytes] = field(default_factory=list)

    @property
    def items(self) -> int:
        """Of the database."""
        return len(self.database)

    @cached_property
    def found(self) -> dict[str, Levels]:
        """What lies at each distance from each query, by condition: all that is told below is read from it."""
        return {name: levels(codes, self.database, self.relevant) for name, codes in self.queries.items()}

    def scores(self, relevant: Bool[ndarray, "queries items"]) -> dict[str, Float64[ndarray, " queries"]]:
        """Average precision by condition, in expectation over the orders of ties."""
        if relevant is self.relevant:
            return {name: levels_average_precision(found) for name, found in self.found.items()}
        return {name: average_precision(codes, self.database, relevant) for name, codes in self.queries.items()}

    @property
    def dim(self) -> int:
        """Bits of a code."""
        return self.database.shape[1]

    @property
    def counted(self) -> Counted:
        return counted(self.relevant)

    def best(self) -> Float64[ndarray, " queries"]:
        """Average precision of the codes turned against everything relevant."""
        return average_precision(opposite_codes(self.database, self.relevant), self.database, self.relevant)

    def flipped(self) -> Float64[ndarray, " queries"] | None:
        """Share of bits of each query that the attack turned; None where the target was not asked about the attacked."""
        if "attacked" not in self.queries:
            return None
        share: Float64[ndarray, " queries"] = (self.queries["clean"] != self.queries["attacked"]).double().mean(1).numpy()
        return share

    def told(self) -> dict[str, Any]:
        """The field's other measures by condition, how evenly bits are used, and the precision-recall curve of Hamming balls."""
        means: dict[str, dict[str, Any]] = {key: {} for key in ("code_entropy", "pr_curve", "map_ties", "cmc", "precision_at", "hubness")}
        some = self.relevant.any(axis=1)
        for name, found in self.found.items():
            means["code_entropy"][name] = code_entropy(self.queries[name])
            means["pr_curve"][name] = precision_at_recalls(found)[some].mean(0).tolist() if some.any() else None
            means["map_ties"][name] = {ties: _mean(levels_average_precision(found, ties)) for ties in ("worst", "best")}
            means["cmc"][name] = {str(rank): _mean(success_at(rank, found)[some]) for rank in RANKS}
            means["precision_at"][name] = {str(rank): _mean(precision_at(rank, found)[some]) for rank in RANKS}
            means["hubness"][name] = hubness(self.queries[name], self.database)
        return means

    def places(self) -> dict[str, Float64[ndarray, " queries"]]:
        """Mean place of the chosen items by condition, the first being 1, in expectation over the orders of ties."""
        return {name: expected_places(codes, self.database, self.chosen).mean(1) for name, codes in self.queries.items()}

    def top(self, name: str, count: int) -> Int32[ndarray, "queries top"]:
        """Ids of the nearest, in the target's own order of ties."""
        return nearest_ids(self.queries[name], self.database, min(count, self.items))


@dataclass(frozen=True)
class Lists:
    """One direction of a service that shows lists and no codes: ids by condition, out of so many items."""

    queries: dict[str, Int32[Tensor, "queries top_k"]]
    items: int
    relevant: Bool[ndarray, "queries items"]
    groups: Int64[ndarray, " queries"]
    wanted: Bool[ndarray, "queries items"] | None = None
    chosen: tuple[int, ...] = ()

    @property
    def dim(self) -> None:
        """Nobody sees it."""
        return

    @property
    def counted(self) -> Counted:
        return counted(self.relevant)

    def best(self) -> None:
        """Nobody knows a code that would be best."""
        return

    def flipped(self) -> None:
        """Nobody sees bits."""
        return

    def told(self) -> dict[str, Any]:
        """Nothing beyond the lists."""
        return {}

    def scores(self, relevant: Bool[ndarray, "queries items"]) -> dict[str, Float64[ndarray, " queries"]]:
        """Average precision by condition in the service's own order, where its lists hold the whole database."""
        return {name: listed_average_precision(ids, relevant) for name, ids in self._whole().items()}

    def places(self) -> dict[str, Float64[ndarray, " queries"]]:
        """Mean place of the chosen items by condition, the first being 1, where lists hold the whole database."""
        chosen = np.array(self.chosen)
        return {name: 1 + np.argsort(ids, axis=1)[:, chosen].mean(1) for name, ids in self._whole().items()}

    def _whole(self) -> dict[str, Int32[ndarray, "queries items"]]:
        return {name: ids.numpy() for name, ids in self.queries.items() if ids.shape[1] == self.items}

    def top(self, name: str, count: int) -> Int32[ndarray, "queries top"]:
        """The heads of the lists."""
        return self.queries[name][:, :count].numpy()


@dataclass(frozen=True)
class Similar:
    """One direction of a target that compares features: the nearest come first, and junk is taken out of each query's list.

    junk[q, i]: item i is neither right nor wrong for query q; None where there is no such item.
    """

    queries: dict[str, Float[Tensor, "queries dim"]]
    database: Float[Tensor, "items dim"]
    relevant: Bool[ndarray, "queries items"]
    groups: Int64[ndarray, " queries"]
    measure: Measure
    junk: Bool[ndarray, "queries items"] | None = None
    wanted: Bool[ndarray, "queries items"] | None = None
    chosen: tuple[int, ...] = ()

    @property
    def items(self) -> int:
        """Of the database."""
        return len(self.database)

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return self.database.shape[1]

    @property
    def counted(self) -> Counted:
        return counted(self.relevant, self.junk)

    def best(self) -> None:
        """No closed form is known of the feature that is worst for what is relevant."""
        return

    def flipped(self) -> None:
        """There are no bits."""
        return

    @cached_property
    def found(self) -> dict[str, features.Places]:
        """Places of the right answers by condition."""
        return {name: self._places(asked, self.relevant) for name, asked in self.queries.items()}

    def scores(self, relevant: Bool[ndarray, "queries items"]) -> dict[str, Float64[ndarray, " queries"]]:
        """Average precision by condition, by rectangles."""
        found = self.found if relevant is self.relevant else {name: self._places(asked, relevant) for name, asked in self.queries.items()}
        return {name: features.average_precision(places) for name, places in found.items()}

    def places(self) -> dict[str, Float64[ndarray, " queries"]]:
        """Mean place of the chosen items by condition, the first being 1."""
        order = {name: features.ranked(asked, self.database, self.measure).argsort(1) for name, asked in self.queries.items()}
        return {name: 1 + ranks[:, list(self.chosen)].double().mean(1).numpy() for name, ranks in order.items()}

    def top(self, name: str, count: int) -> Int32[ndarray, "queries top"]:
        """Ids of the nearest, junk and all, as the target's users see them."""
        return features.ranked(self.queries[name], self.database, self.measure)[:, :count].numpy().astype(np.int32)

    def told(self) -> dict[str, Any]:
        """The field's other measures by condition: mAP by trapezoids, CMC and precision at a few ranks."""
        means: dict[str, dict[str, Any]] = {"map_trapezoid": {}, "cmc": {}, "precision_at": {}}
        for name, places in self.found.items():
            means["map_trapezoid"][name] = _mean(features.average_precision(places, "trapezoid"))
            means["cmc"][name] = {str(rank): _mean(features.found_within(places, rank)) for rank in RANKS}
            means["precision_at"][name] = {str(rank): _mean(features.precision_at(places, rank)) for rank in RANKS}
        return means

    def _places(self, asked: Float[Tensor, "queries dim"], relevant: Bool[ndarray, "queries items"]) -> features.Places:
        return features.places_of(asked, self.database, relevant, self.junk, self.measure)


def counted(relevant: Bool[ndarray, "queries items"], junk: Bool[ndarray, "queries items"] | None = None) -> Counted:
    """Right answers and ranked items of each query, less the junk."""
    ranked = np.ones_like(relevant) if junk is None else ~junk
    return Counted((relevant & ranked).sum(axis=1, dtype=np.int64), ranked.sum(axis=1, dtype=np.int64))


Judged: TypeAlias = Ranking | Lists | Similar


def _mean(values: Float64[ndarray, " queries"]) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
