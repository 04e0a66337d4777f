"""A sweep as tables: one form for the page, for CSV and for LaTeX."""

from collections.abc import Mapping, Sequence
from typing import Any

from crossattack.report._rows import DIRECTIONS, NONE, count, number, share
from crossattack.report.sweep.curves import area, lines_of, scale_of
from crossattack.report.sweep.layout import Layout, choices, keys_of, named, told
from crossattack.report.sweep.matrix import gap, matrices_of
from crossattack.report.sweep.merging import RECOVERED, Figure, Group, directions_of, groups_of, is_seed, mean, value_of
from crossattack.report.tables import Cell, Table, words

CONDITIONS = ("clean", "noise", "attacked", "ceiling", "floor")
FIDELITY = {"bit_agreement": "bits agreed", "rank_agreement": "rank agreement", "feature_agreement": "feature agreement"}


def tables(sweep: Mapping[str, Any], layout: Layout) -> list[Table]:
    """Those that have rows."""
    groups = groups_of(sweep)
    made = [
        varied(sweep, layout),
        merged(sweep, groups),
        areas(sweep, groups, layout),
        gaps(sweep, groups, layout),
        cells(sweep),
        failed(sweep),
    ]
    return [table for table in made if table.rows]


def varied(sweep: Mapping[str, Any], layout: Layout) -> Table:
    """What the grid sets, to what, and what the page makes of it."""
    values = [cell["values"] for cell in sweep["cells"]]
    rows = []
    for key in keys_of(values):
        told_values = "; ".join(map(told, choices(values, key)))
        rows.append((words(key), words(told_values), words(_role(key, layout))))
    return Table("varied", "What the runs differ in", ("setting", "values", "here"), tuple(rows))


def _role(key: str, layout: Layout) -> str:
    if is_seed(key):
        return "merged: means over seeds"
    roles = {layout.along: "along the axis", layout.rows: "a row each", layout.columns: "a column each"}
    return roles.get(key) or ("told apart" if key in layout.others else "goes with the others")


def merged(sweep: Mapping[str, Any], groups: Sequence[Group]) -> Table:
    """Every figure, mean over seeds, by direction and settings."""
    done = [group for group in groups if group.cells]
    keys = keys_of([group.values for group in done])
    agreed = {name: title for name, title in FIDELITY.items() if any(group.agreement[name] is not None for group in done)}
    rows = []
    for direction in directions_of(sweep):
        for group in done:
            known = {name: group.figure(direction, name) for name in (*CONDITIONS, RECOVERED)}
            rows.append(
                (
                    words(_titled(direction)),
                    *(_setting(group.values, key) for key in keys),
                    Cell(len(group.cells), f"{len(group.cells)} of {group.planned}"),
                    Cell(group.spent, NONE if group.spent is None else f"{group.spent:,.0f}"),
                    *(Cell(one.value if one else None, number(one.value if one else None)) for one in map(known.get, CONDITIONS)),
                    *_ends(known["attacked"], number),
                    Cell(known[RECOVERED].value if known[RECOVERED] else None, share(known[RECOVERED].value if known[RECOVERED] else None)),
                    *_ends(known[RECOVERED], share),
                    *(Cell(group.agreement[name], number(group.agreement[name])) for name in agreed),
                )
            )
    conditions = [title for name in CONDITIONS for title in (f"mAP {name}",)]
    header = (
        "direction",
        *keys,
        "runs",
        "spent",
        *conditions,
        "attacked from",
        "to",
        "recovered",
        "recovered from",
        "to",
        *agreed.values(),
    )
    return Table("merged", "Means over seeds, with the intervals of what was attacked and recovered", header, tuple(rows))


def areas(sweep: Mapping[str, Any], groups: Sequence[Group], layout: Layout) -> Table:
    """The mean height of every line."""
    rows, caption = [], ""
    if layout.along is not None:
        lines = lines_of(groups, layout)
        scale = scale_of(lines)
        caption = (
            f"Area under each line over {scale}, x being {named(layout.along)}, divided by the width of the axis; lowest and highest seed"
        )
        for direction in directions_of(sweep):
            for line in lines:
                both = [area(line, direction, name, scale) for name in ("attacked", RECOVERED)]
                if (one := both[0] or both[1]) is None:
                    continue
                parts = [
                    Cell(value, text(value))
                    for under, text in zip(both, (number, share), strict=True)
                    for value in ((under.value, under.lowest, under.highest) if under else (None, None, None))
                ]
                ends = [Cell(end, f"{end:,.4g}" if end < 1000 else f"{end:,.0f}") for end in (one.first, one.last)]
                counts = [Cell(each, count(each)) for each in (one.points, one.seeds)]
                rows.append((words(_titled(direction)), words(line.label), *parts, *ends, *counts))
    header = ("direction", "line", "mAP attacked", "lowest", "highest", "recovered", "lowest", "highest", "from", "to", "points", "seeds")
    return Table("areas", caption, header, tuple(rows))


def gaps(sweep: Mapping[str, Any], groups: Sequence[Group], layout: Layout) -> Table:
    """Own against other networks."""
    rows = []
    for matrix in matrices_of(groups, layout) if layout.twins else ():
        for direction in directions_of(sweep):
            if found := gap(matrix, direction, RECOVERED):
                low, high = found.interval or (None, None)
                figures = [Cell(value, share(value)) for value in (found.same, found.other, found.value, low, high)]
                rows.append((words(_titled(direction)), words(matrix.title or NONE), *figures, Cell(found.seeds, count(found.seeds))))
    header = ("direction", "of", "own network", "another", "gap", "from", "to", "seeds")
    return Table("gaps", "Recovered with the target's own kind of network and with others; 95 %, Student's over seeds", header, tuple(rows))


def cells(sweep: Mapping[str, Any]) -> Table:
    """Every run."""
    keys, directions = keys_of([cell["values"] for cell in sweep["cells"]]), directions_of(sweep)
    rows = []
    for cell in sweep["cells"]:
        figures = []
        for direction in directions:
            for name, text in (("attacked", number), (RECOVERED, share)):
                value = value_of(cell, direction, name)
                figures.append(Cell(value, text(value)))
        spent, seconds = (cell.get("budget") or {}).get("spent"), cell.get("seconds")
        rows.append(
            (
                words(cell["state"]),
                words(cell["digest"]),
                *(_setting(cell["values"], key) for key in keys),
                Cell(spent, count(spent)),
                *figures,
                Cell(seconds, number(seconds, 1)),
            )
        )
    titles = [f"{name}, {_short(direction)}" for direction in directions for name in ("mAP attacked", "recovered")]
    return Table(
        "cells", "Every run; its digest is its folder's name", ("state", "digest", *keys, "spent", *titles, "seconds"), tuple(rows)
    )


def failed(sweep: Mapping[str, Any]) -> Table:
    """What came to nothing, and why."""
    lost = [cell for cell in sweep["cells"] if cell["state"] == "failed"]
    keys = keys_of([cell["values"] for cell in lost])
    rows = [
        (
            words(cell["digest"]),
            *(_setting(cell["values"], key) for key in keys),
            Cell(cell.get("attempts"), count(cell.get("attempts"))),
            words(str(cell.get("reason") or NONE)),
        )
        for cell in lost
    ]
    return Table("failed", "Runs that failed, and why", ("digest", *keys, "attempts", "reason"), tuple(rows))


def seconds_of(sweep: Mapping[str, Any]) -> float:
    """What all of it took, one after another."""
    known = [cell["seconds"] for cell in sweep["cells"] if cell["state"] == "done" and cell.get("seconds") is not None]
    return (mean(known) or 0.0) * len(known)


def _setting(values: Mapping[str, Any], key: str) -> Cell:
    if key not in values:
        return Cell(None, NONE)
    value = values[key]
    return Cell(value if isinstance(value, int | float) and not isinstance(value, bool) else told(value), told(value))


def _ends(figure: Figure | None, text: Any) -> tuple[Cell, Cell]:
    low, high = figure.interval if figure and figure.interval else (None, None)
    return Cell(low, text(low)), Cell(high, text(high))


def _titled(direction: str) -> str:
    return DIRECTIONS.get(direction, direction.replace("_", " "))


def _short(direction: str) -> str:
    """pictures → texts."""
    return " → ".join({"image": "pictures", "text": "texts"}.get(part, part) for part in direction.split("_to_"))
