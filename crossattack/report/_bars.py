"""mAP as bars: what the page draws of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossattack.report._rows import number

WIDTH, LEFT, BAR = 640, 190, 26  # of a picture: all of it, its labels, and the height of a row


@dataclass(frozen=True)
class Bar:
    """One condition in a picture: where its bar ends, and its whiskers where it has an interval."""

    key: str
    label: str
    value: str
    y: int
    length: float
    whiskers: tuple[float, float] | None


@dataclass(frozen=True)
class Picture:
    """mAP of one direction as bars, the floor as a line across them."""

    title: str
    bars: tuple[Bar, ...]
    floor: float | None
    chance: str  # the floor, told
    summary: str  # for those who do not see it


def picture(title: str, direction: Mapping[str, Any], names: Mapping[str, str]) -> Picture:
    """Bars from 0 to 1, in the order of the table; conditions that were not measurable are left out."""
    scores = direction.get("map", {})
    known = {key: scores[key] for key in names if scores.get(key) is not None}
    intervals = direction.get("map_ci95", {})
    bars = [
        Bar(key, names[key], number(value), place * BAR, _along(value), _whiskers(intervals.get(key)))
        for place, (key, value) in enumerate((key, value) for key, value in known.items() if key != "floor")
    ]
    summary = ", ".join(f"{names[key]} {number(value)}" for key, value in known.items()) or "not measurable"
    floor = LEFT + _along(known["floor"]) if "floor" in known else None
    return Picture(title, tuple(bars), floor, number(known.get("floor")), f"mAP when {title}: {summary}")


def _along(value: float | int) -> float:
    return round(max(0.0, min(1.0, value)) * (WIDTH - LEFT - 60), 1)


def _whiskers(interval: Any) -> tuple[float, float] | None:
    return (LEFT + _along(interval[0]), LEFT + _along(interval[1])) if interval else None
