"""Precision against recall as lines: what the page draws of them. Marks differ in shape as well as in colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossattack.report._rows import number
from crossattack.report.tables import curves_of

WIDTH, HEIGHT = 640, 300
LEFT, TOP, RIGHT, BOTTOM = 44, 12, 212, 40  # margins; the right one holds the names
SHAPES = {"clean": "circle", "noise": "square", "attacked": "triangle", "ceiling": "diamond"}


@dataclass(frozen=True)
class Line:
    """One condition: its points in the picture, and where its name stands."""

    key: str
    label: str
    shape: str
    points: tuple[tuple[float, float], ...]
    y: int


@dataclass(frozen=True)
class Curves:
    """Precision against recall of one direction, both from 0 to 1."""

    title: str
    lines: tuple[Line, ...]
    across: tuple[tuple[float, str], ...]  # ticks of recall
    up: tuple[tuple[float, str], ...]  # ticks of precision
    summary: str  # for those who do not see it


def curves(title: str, direction: Mapping[str, Any], names: Mapping[str, str]) -> Curves | None:
    """The picture of one direction; None where there are no curves, as of features and of lists."""
    known = {name: points for name, points in curves_of(direction).items() if name in SHAPES}
    if not known:
        return None
    lines = [
        Line(name, names[name], SHAPES[name], tuple((_x(recall), _y(precision)) for recall, precision in points), TOP + 14 + 24 * place)
        for place, (name, points) in enumerate(known.items())
    ]
    ticks = [step / 5 for step in range(6)]
    told = ", ".join(f"{names[name]} {number(points[0][1])} falling to {number(points[-1][1])}" for name, points in known.items())
    across, up = [(_x(tick), f"{tick:.1f}") for tick in ticks], [(_y(tick), f"{tick:.1f}") for tick in ticks]
    return Curves(title, tuple(lines), tuple(across), tuple(up), f"Precision from a recall of 0.1 to 1 when {title}: {told}")


def _x(recall: float) -> float:
    return round(LEFT + recall * (WIDTH - LEFT - RIGHT), 1)


def _y(precision: float) -> float:
    return round(TOP + (1 - precision) * (HEIGHT - TOP - BOTTOM), 1)
