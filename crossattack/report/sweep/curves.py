"""Figures along a number, and the area under them.

Whole numbers (queries, steps, bits) are laid out by log10, as the next query is worth less the more there were; by log10(1 + x)
where 0 is among them. Others (eps) stay as they are. An area is divided by the width of its axis: it is the mean height of the
curve, so that 0.3 is 0.3 mAP, whatever the budgets were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import log10
from operator import attrgetter
from typing import Literal, TypeAlias

from crossattack.report.sweep.layout import BUDGET, Layout, label, number_of, told
from crossattack.report.sweep.merging import Figure, Group, mean, seed_of, value_of

Scale: TypeAlias = Literal["log10(x)", "log10(1 + x)", "x"]


@dataclass(frozen=True)
class Point:
    """One value of the number. asked, tick: as the grid has it. x: the same, or the queries that were spent of such a budget."""

    x: float
    asked: float
    tick: str
    group: Group


@dataclass(frozen=True)
class Line:
    """One attack, or whatever the other keys say, along the number."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Area:
    """Mean height of a line over its axis. lowest, highest: of the seeds. first, last: ends of the axis; seeds: that reach both."""

    value: float
    lowest: float
    highest: float
    first: float
    last: float
    points: int
    seeds: int


def lines_of(groups: Sequence[Group], layout: Layout) -> list[Line]:
    """A line for every value of the other keys, its points in order; without those of which nothing is done."""
    assert layout.along is not None
    found = dict[str, list[Point]]()
    for group in groups:
        asked = number_of(group.values[layout.along])
        assert asked is not None
        points = found.setdefault(label(group.values, layout.others), [])
        if group.cells:
            x = group.spent if layout.along == BUDGET else None
            points.append(Point(asked if x is None else x, asked, told(group.values[layout.along]), group))
    return [Line(name, tuple(sorted(points, key=attrgetter("x")))) for name, points in found.items() if points]


def scale_of(lines: Sequence[Line]) -> Scale:
    """How the number is laid out."""
    every = [point.x for line in lines for point in line.points]
    whole = all(point.asked % 1 == 0 for line in lines for point in line.points)
    least = min(every, default=0)
    return "x" if not whole or least < 0 else "log10(x)" if least > 0 else "log10(1 + x)"


def laid_out(x: float, scale: Scale) -> float:
    """Where a value stands."""
    return x if scale == "x" else log10(x) if scale == "log10(x)" else log10(1 + x)


def references(lines: Sequence[Line], direction: str, name: str) -> list[tuple[float, float]]:
    """A condition that is no attack's own (clean, noise, ceiling, floor): its mean over all lines at each point of the axis.

    Points of a budget that two attacks did not spend quite equally are one: they stand at the mean of the two.
    """
    found = [(point, figure.value) for line in lines for point in line.points if (figure := point.group.figure(direction, name))]
    found.sort(key=lambda each: each[0].asked)
    together = [list(each) for _, each in groupby(found, key=lambda each: each[0].asked)]
    return [(sum(point.x for point, _ in each) / len(each), sum(value for _, value in each) / len(each)) for each in together]


def figures(line: Line, direction: str, name: str) -> list[tuple[float, Figure]]:
    """Those points of a line that have the figure."""
    return [(point.x, figure) for point in line.points if (figure := point.group.figure(direction, name))]


def area(line: Line, direction: str, name: str, scale: Scale) -> Area | None:
    """Under a line, by trapezoids, seed by seed: over the seeds that have most points, which is all of them in a finished sweep.

    None with fewer than two points, or where all of them stand at one place.
    """
    points = list(line.points)
    by_seed = dict[str, dict[int, float]]()
    for place, point in enumerate(points):
        for cell in point.group.cells:
            if (value := value_of(cell, direction, name)) is not None:
                by_seed.setdefault(seed_of(cell), {})[place] = value
    if not by_seed:
        return None
    most = max(len(own) for own in by_seed.values())
    places = next(sorted(own) for own in by_seed.values() if len(own) == most)
    axis = [laid_out(points[place].x, scale) for place in places]
    if len(places) < 2 or axis[0] == axis[-1]:
        return None
    areas = [trapezoids(axis, [own[place] for place in places]) for own in by_seed.values() if set(places) <= set(own)]
    value = mean(areas)
    assert value is not None
    return Area(value, min(areas), max(areas), points[places[0]].x, points[places[-1]].x, len(places), len(areas))


def trapezoids(axis: Sequence[float], heights: Sequence[float]) -> float:
    """Mean height of straight lines between points."""
    parts = [(after - before) * (low + high) / 2 for (before, after), (low, high) in zip(pairwise(axis), pairwise(heights), strict=True)]
    return sum(parts) / (axis[-1] - axis[0])


def ticks(lines: Sequence[Line]) -> list[tuple[float, str]]:
    """Marks of the axis, at the mean of where lines stand for them: values of the grid, or what was spent of a budget not used up."""
    every = dict[tuple[float, str], list[float]]()
    for line in lines:
        for point in line.points:
            every.setdefault((point.asked, point.tick), []).append(point.x)
    places = [(sum(at) / len(at), asked, tick) for (asked, tick), at in every.items()]
    return sorted((x, tick if abs(x - asked) <= 0.05 * abs(asked) else f"{x:,.0f}") for x, asked, tick in places)
