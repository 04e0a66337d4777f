"""One key against another, such as the attacker's network against the target's, and what it is worth to know the target's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crossattack.metrics.statistics import Interval, student_interval
from crossattack.report.sweep.layout import Layout, choices, label, told
from crossattack.report.sweep.merging import Group, seed_of, value_of


@dataclass(frozen=True)
class Matrix:
    """Groups by row and column; None where the grid has no such cell, or not one that is done."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    groups: tuple[tuple[Group | None, ...], ...]
    diagonal: frozenset[tuple[int, int]]  # places where row and column are the same thing


@dataclass(frozen=True)
class Gap:
    """Mean on the diagonal less mean off it, over the seeds that have every cell; interval: Student's, over these seeds."""

    value: float
    interval: Interval | None
    same: float
    other: float
    seeds: int


def matrices_of(groups: Sequence[Group], layout: Layout) -> list[Matrix]:
    """A matrix for every value of the other keys."""
    assert layout.rows is not None
    assert layout.columns is not None
    rows, columns = (choices([group.values for group in groups], key) for key in (layout.rows, layout.columns))
    if layout.twins:  # the same order both ways, so that the diagonal is one
        columns.sort(key=lambda one: rows.index(one) if one in rows else len(rows))
    parts = dict[str, dict[tuple[int, int], Group]]()
    for group in groups:
        place = rows.index(group.values[layout.rows]), columns.index(group.values[layout.columns])
        parts.setdefault(label(group.values, layout.others) if layout.others else "", {})[place] = group
    same = frozenset((row, column) for row, one in enumerate(rows) for column, other in enumerate(columns) if layout.twins and one == other)
    found = []
    for title, known in parts.items():
        table = tuple(tuple(_done(known.get((row, column))) for column in range(len(columns))) for row in range(len(rows)))
        found.append(Matrix(title, tuple(map(told, rows)), tuple(map(told, columns)), table, same))
    return found


def _done(group: Group | None) -> Group | None:
    return group if group is not None and group.cells else None


def gap(matrix: Matrix, direction: str, name: str) -> Gap | None:
    """What the attacker gains by having the target's own kind of network; None without a diagonal, or a seed with every cell."""
    places = [(row, column) for row in range(len(matrix.rows)) for column in range(len(matrix.columns))]
    by_seed = dict[str, dict[tuple[int, int], float]]()
    for row, column in places:
        group = matrix.groups[row][column]
        for cell in group.cells if group else ():
            if (value := value_of(cell, direction, name)) is not None:
                by_seed.setdefault(seed_of(cell), {})[row, column] = value
    whole = [own for own in by_seed.values() if len(own) == len(places)]
    if not whole or not 0 < len(matrix.diagonal) < len(places):
        return None
    sides = [(_mean(own, lambda place: place in matrix.diagonal), _mean(own, lambda place: place not in matrix.diagonal)) for own in whole]
    same, other = (sum(side) / len(side) for side in zip(*sides, strict=True))
    return Gap(same - other, student_interval([one - two for one, two in sides]), same, other, len(whole))


def _mean(values: Mapping[tuple[int, int], float], wanted: Callable[[tuple[int, int]], bool]) -> float:
    taken = [value for place, value in values.items() if wanted(place)]
    return sum(taken) / len(taken)
