"""Cells that differ in their seeds alone, taken together: the mean over seeds of every figure, and how sure it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from crossattack.metrics.statistics import Interval

SEEDS: Final = ("seed", "split_seed")  # last parts of keys whose values stand for draws: their runs are merged
RECOVERED: Final = "recovered"
AGREEMENTS: Final = ("bit_agreement", "rank_agreement", "feature_agreement")
Kind: TypeAlias = Literal["pooled", "run", "range"]
KINDS: Final[dict[Kind, str]] = {
    "pooled": "95 %, items and seeds both drawn again",
    "run": "95 %, items of the one run drawn again",
    "range": "lowest and highest seed",
}


@dataclass(frozen=True)
class Figure:
    """A mean over seeds, its interval where there is one, and of which kind (`KINDS`)."""

    value: float
    interval: Interval | None
    kind: Kind | None


@dataclass(frozen=True)
class Group:
    """Cells of equal settings but for the seed. cells: those of them that are done, each as in sweep.json; planned: all of them."""

    values: Mapping[str, Any]
    cells: tuple[Mapping[str, Any], ...]
    planned: int
    intervals: Mapping[str, Any]  # by direction, of these very cells; empty where nobody pooled them

    @cached_property
    def spent(self) -> float | None:
        """Queries that the attacker paid for, mean over seeds."""
        return mean([(cell.get("budget") or {}).get("spent") for cell in self.cells])

    @cached_property
    def agreement(self) -> dict[str, float | None]:
        """How well surrogates agree with the target, mean over seeds."""
        every = [one for cell in self.cells for one in cell.get("surrogates") or ()]
        return {name: mean([one.get(name) for one in every]) for name in AGREEMENTS}

    def figure(self, direction: str, name: str) -> Figure | None:
        """mAP of a condition, or `recovered`; None where not one cell has it."""
        known = [value for cell in self.cells if (value := value_of(cell, direction, name)) is not None]
        if not known:
            return None
        value = sum(known) / len(known)
        pooled = interval_of(self.intervals.get(direction), name)
        if pooled is not None and len(known) == len(self.cells):
            return Figure(value, pooled, "pooled")
        if len(known) > 1:
            return Figure(value, (min(known), max(known)), "range")
        own = next(interval_of(cell["directions"][direction], name) for cell in self.cells if value_of(cell, direction, name) is not None)
        return Figure(value, own, "run" if own else None)


def groups_of(sweep: Mapping[str, Any]) -> list[Group]:
    """The cells by all that the grid set but seeds, in the order of the file; also groups of which no cell is done."""
    together = dict[str, list[Mapping[str, Any]]]()
    for cell in sweep["cells"]:
        together.setdefault(json.dumps(without_seed(cell["values"]), sort_keys=True), []).append(cell)
    pooled = {tuple(one["cells"]): one["directions"] for one in sweep.get("intervals") or ()}
    groups = []
    for cells in together.values():
        done = tuple(cell for cell in cells if cell["state"] == "done" and cell.get("directions"))
        intervals = pooled.get(tuple(cell["digest"] for cell in done), {})
        groups.append(Group(without_seed(cells[0]["values"]), done, len(cells), intervals))
    return groups


def without_seed(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of a cell's values when seeds are merged."""
    return {key: value for key, value in values.items() if not is_seed(key)}


def seed_of(cell: Mapping[str, Any]) -> str:
    """Names a cell's draw: cells of one name and different settings are a pair."""
    return json.dumps({key: value for key, value in cell["values"].items() if is_seed(key)}, sort_keys=True)


def is_seed(key: str) -> bool:
    """Whether a key's values stand for draws."""
    return key.split(".")[-1] in SEEDS


def directions_of(sweep: Mapping[str, Any]) -> list[str]:
    """Directions that some cell has figures of, in the order of the first."""
    return list(dict.fromkeys(direction for cell in sweep["cells"] for direction in cell.get("directions") or ()))


def value_of(cell: Mapping[str, Any], direction: str, name: str) -> float | None:
    """mAP of a condition in a cell, or `recovered`."""
    found = (cell.get("directions") or {}).get(direction) or {}
    value = found.get(RECOVERED) if name == RECOVERED else (found.get("map") or {}).get(name)
    return None if value is None else float(value)


def interval_of(found: Mapping[str, Any] | None, name: str) -> Interval | None:
    """The interval beside it."""
    found = found or {}
    ends = found.get("recovered_ci95") if name == RECOVERED else (found.get("map_ci95") or {}).get(name)
    return None if ends is None else (float(ends[0]), float(ends[1]))


def mean(values: Sequence[float | int | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
