"""How trainings went, as lines over their epochs: what the page draws of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640, 180
LEFT, TOP, RIGHT, BOTTOM = 56, 12, 24, 40  # margins
WHAT = {"loss": "Loss", "validation": "mAP on what was put aside"}
MOST_MARKS = 30  # epochs that have a mark each


@dataclass(frozen=True)
class Course:
    """One figure of one training by epoch: points in the picture, ticks, and the same in words."""

    title: str
    points: tuple[tuple[float, float], ...]
    marks: bool
    across: tuple[tuple[float, str], ...]  # ticks of epochs
    up: tuple[tuple[float, str], ...]  # ticks of the figure
    summary: str  # for those who do not see it


def courses(results: Mapping[str, Any]) -> list[Course]:
    """Loss, and validation where there is one, of the target and of what the attacker trained; none of runs that tell of none."""
    found = []
    for name, curve in (results.get("training") or {}).items():
        for key, what in WHAT.items():
            values = [epoch[key] for epoch in curve if key in epoch]
            if values:
                found.append(_course(f"{what} of the {_called(name, results)}", values))
    return found


def _course(title: str, values: list[float]) -> Course:
    """Epochs from left to right, values from zero, or the least below it, up."""
    last = len(values)
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    points = tuple((_x(epoch, last), _y((value - low) / (high - low))) for epoch, value in enumerate(values, 1))
    ends = dict.fromkeys((1, (1 + last) // 2, last))
    up = tuple((_y(part), f"{low + part * (high - low):.3g}") for part in (0.0, 0.5, 1.0))
    best = f", at best {max(values):.3f}" if title.startswith(WHAT["validation"]) else ""
    summary = f"{title} by epoch: {values[0]:.3f} in the first, {values[-1]:.3f} in the last of {last}{best}"
    return Course(title, points, last <= MOST_MARKS, tuple((_x(epoch, last), str(epoch)) for epoch in ends), up, summary)


def _called(name: str, results: Mapping[str, Any]) -> str:
    target = results.get("target", {}).get("name")
    return f"target, {target}" if name == "target" and target else name.replace("_", " ")


def _x(epoch: int, last: int) -> float:
    return round(LEFT + (epoch - 1) / max(1, last - 1) * (WIDTH - LEFT - RIGHT), 1)


def _y(part: float) -> float:
    return round(TOP + (1 - part) * (HEIGHT - TOP - BOTTOM), 1)
