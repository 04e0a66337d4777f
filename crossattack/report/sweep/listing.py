"""A sweep of things that have no order of their own, such as attacks: as a list, the strongest first."""

from collections.abc import Sequence
from dataclasses import dataclass

from crossattack.report._bars import BAR, LEFT, WIDTH, Bar, Picture
from crossattack.report._rows import CONDITIONS, number
from crossattack.report.sweep.layout import Layout, label
from crossattack.report.sweep.merging import Figure, Group


@dataclass(frozen=True)
class Entry:
    """What an attack leaves of mAP in one direction."""

    name: str
    group: Group
    left: Figure


def ranked(groups: Sequence[Group], layout: Layout, direction: str) -> list[Entry]:
    """Those that are known, by what they leave of mAP; without attacks that leave these items as they are, of which no score moves."""
    known = [
        Entry(label(group.values, layout.others), group, figure)
        for group in groups
        if (figure := group.figure(direction, "attacked")) and figure != group.figure(direction, "clean")
    ]
    return sorted(known, key=lambda entry: entry.left.value)


def average(entries: Sequence[Entry], direction: str, name: str) -> float | None:
    """A condition that is no attack's own: its mean over the list."""
    known = [figure.value for entry in entries if (figure := entry.group.figure(direction, name))]
    return sum(known) / len(known) if known else None


def bars(entries: Sequence[Entry], direction: str, title: str) -> Picture:
    """The list with clean items above it and the ceiling below."""
    rows = [("attacked", entry.name, entry.left) for entry in entries]
    above, below = (average(entries, direction, name) for name in ("clean", "ceiling"))
    rows = [*_condition("clean", above), *rows, *_condition("ceiling", below)]
    floor = average(entries, direction, "floor")
    summary = ", ".join(f"{name} {number(figure.value)}" for _, name, figure in rows)
    drawn = tuple(
        Bar(key, name, number(one.value), place * BAR, _along(one.value), _whiskers(one)) for place, (key, name, one) in enumerate(rows)
    )
    return Picture(title, drawn, None if floor is None else LEFT + _along(floor), number(floor), f"mAP when {title}: {summary}")


def _condition(key: str, value: float | None) -> list[tuple[str, str, Figure]]:
    return [] if value is None else [(key, CONDITIONS[key], Figure(value, None, None))]


def _whiskers(figure: Figure) -> tuple[float, float] | None:
    return (LEFT + _along(figure.interval[0]), LEFT + _along(figure.interval[1])) if figure.interval else None


def _along(value: float) -> float:
    return round(max(0.0, min(1.0, value)) * (WIDTH - LEFT - 60), 1)
