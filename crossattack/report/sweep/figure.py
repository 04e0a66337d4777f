"""Figures of a sweep for papers and pages: curves along a number, a matrix as tiles, a list as bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from crossattack.cache import whole_file
from crossattack.errors import UsageError
from crossattack.report._rows import CONDITIONS, DIRECTIONS, number, share
from crossattack.report.figure import COLOURS, Axes, saved, written
from crossattack.report.sweep.curves import Line, Scale, figures, laid_out, lines_of, references, scale_of, ticks
from crossattack.report.sweep.drawing import QUIET, spread
from crossattack.report.sweep.layout import Layout, layout_of, named
from crossattack.report.sweep.listing import Entry, average, ranked
from crossattack.report.sweep.matrix import Matrix, matrices_of
from crossattack.report.sweep.merging import RECOVERED, Group, directions_of, groups_of
from crossattack.report.sweep.tables import tables

SERIES: Final = ("#b3402f", "#00736a", "#8a5a00", "#5b4bb5", "#2f7d32", "#b0307a", "#006ba6", "#5d5146")
MARKS: Final = ("o", "s", "^", "D")
QUIET_COLOURS: Final = {**COLOURS, "noise": "#767676", "floor": "#333333"}
DASHES: Final = {"clean": (0, (5, 3)), "noise": (0, (1.5, 2.5)), "ceiling": (0, (6, 2, 1.5, 2)), "floor": (0, (1, 2))}


def write_figures(sweep: Mapping[str, Any], folder: Path) -> list[str]:
    """The figure as SVG and PNG and all tables as CSV and LaTeX; an equal sweep gives equal files. Returns their names."""
    layout = layout_of([group.values for group in groups_of(sweep)])
    name = "curves" if layout.along else "matrix" if layout.rows else "list"
    wanted = {name: draw} if directions_of(sweep) else {}
    return written(sweep, folder, wanted, tables(sweep, layout))


def draw(sweep: Mapping[str, Any], path: Path) -> None:
    """What the sweep found, as its layout wants it. The path's ending decides the format."""
    groups, directions = groups_of(sweep), directions_of(sweep)
    if not directions:
        raise UsageError(f"figure: a sweep with a run that is done wanted, {sweep['name']} has none.")
    layout = layout_of([group.values for group in groups])
    if layout.along is not None:
        drawn = _curves(groups, directions, layout)
    elif layout.rows is not None:
        drawn = _tiles(groups, directions, layout)
    else:
        drawn = _bars(groups, directions, layout)
    with whole_file(path) as file:
        saved(drawn, file, path.suffix)


def _figure(wide: float, high: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(wide, high), layout="constrained", dpi=150)


def _curves(groups: Sequence[Group], directions: Sequence[str], layout: Layout) -> Any:
    """mAP above, the share recovered below; a column a direction."""
    lines = lines_of(groups, layout)
    scale = scale_of(lines)
    figure = _figure(5.2 * len(directions), 6.2)
    rows = figure.subplots(2, len(directions), sharex=True, sharey="row", squeeze=False)
    for column, direction in enumerate(directions):
        for row, name in enumerate(("attacked", RECOVERED)):
            _lines(rows[row][column], lines, direction, name, scale)
        rows[0][column].set_title(_titled(direction), fontsize=10, loc="left")
        marks = ticks(lines)
        rows[1][column].set_xticks([laid_out(x, scale) for x, _ in marks], [tick for _, tick in marks], fontsize=8)
        rows[1][column].set_xlabel(named(str(layout.along)), fontsize=9)
    rows[0][0].set_ylabel("mAP", fontsize=9)
    rows[1][0].set_ylabel("recovered", fontsize=9)
    rows[1][0].yaxis.set_major_formatter(lambda value, _: share(value))
    figure.canvas.draw()
    for axes in (*rows[0], *rows[1]):
        _thin(axes)
    return figure


def _lines(axes: Axes, lines: Sequence[Line], direction: str, name: str, scale: Scale) -> None:
    """One panel: bands, lines, and the name of each at its end."""
    ends = list[tuple[str, str, float, float]]()
    for one in QUIET if name != RECOVERED else ():
        if points := references(lines, direction, one):
            across = [laid_out(x, scale) for x, _ in points]
            heights = [value for _, value in points]
            axes.plot(across, heights, linestyle=DASHES[one], color=QUIET_COLOURS[one], linewidth=1.2)
            ends.append((CONDITIONS[one].split(" (")[0].split(" of ")[0], QUIET_COLOURS[one], across[-1], heights[-1]))
    for place, line in enumerate(lines):
        known = figures(line, direction, name)
        if not known:
            continue
        colour, mark = SERIES[place % len(SERIES)], MARKS[(place + place // len(SERIES)) % len(MARKS)]
        across = [laid_out(x, scale) for x, _ in known]
        banded = [(x, figure.interval) for x, (_, figure) in zip(across, known, strict=True) if figure.interval]
        if banded:
            axes.fill_between(
                [x for x, _ in banded], *zip(*(interval for _, interval in banded), strict=True), color=colour, alpha=0.16, lw=0
            )
        axes.plot(across, [figure.value for _, figure in known], marker=mark, color=colour, markersize=4.5, linewidth=1.6)
        ends.append((line.label, colour, across[-1], known[-1][1].value))
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low) if name == RECOVERED else 0.0, 1.03 * high)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.7)
    axes.set_axisbelow(True)
    low, high = axes.get_ylim()
    stands = spread([height for *_, height in ends], 0.062 * (high - low), low + 0.02 * (high - low), high)
    for (text, colour, _, _), height in zip(ends, stands, strict=True):
        axes.annotate(
            text,
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            va="center",
        )


def _thin(axes: Axes) -> None:
    """Leave out words of the axis that would stand on others, from the right."""
    after = float("inf")
    for label in reversed(axes.get_xticklabels()):
        box = label.get_window_extent()
        if box.x1 + 4 > after:
            label.set_visible(False)
        else:
            after = box.x0


def _tiles(groups: Sequence[Group], directions: Sequence[str], layout: Layout) -> Any:
    """A matrix a direction, row by row where there are several."""
    matrices = matrices_of(groups, layout)
    wide, high = max(2.6, 1.25 * len(matrices[0].columns) + 1.6), max(1.8, 0.62 * len(matrices[0].rows) + 1.2)
    figure = _figure(wide * len(directions), high * len(matrices))
    for row, (matrix, panels) in enumerate(zip(matrices, figure.subplots(len(matrices), len(directions), squeeze=False), strict=True)):
        for direction, axes in zip(directions, panels, strict=True):
            _matrix(axes, matrix, direction)
            axes.set_title(", ".join(filter(None, [_titled(direction), matrix.title])), fontsize=9, loc="left")
            axes.set_xlabel(named(str(layout.columns)) if row == len(matrices) - 1 else "", fontsize=8)
        panels[0].set_ylabel(named(str(layout.rows)), fontsize=8)
    return figure


def _matrix(axes: Axes, matrix: Matrix, direction: str) -> None:
    """Tiles from white to blue, which say what they are; framed on the diagonal."""
    from matplotlib.patches import Rectangle

    columns, rows = len(matrix.columns), len(matrix.rows)
    for row in range(rows):
        for column, group in enumerate(matrix.groups[row]):
            recovered = group.figure(direction, RECOVERED) if group else None
            shown = recovered or (group.figure(direction, "attacked") if group else None)
            depth = max(0.0, min(1.0, shown.value)) * 0.55 if shown else 0.0
            colour = tuple(1 - depth * (1 - channel) for channel in (0.16, 0.38, 0.62))
            own = (row, column) in matrix.diagonal
            edge = "#1b1b1f" if own else "#ffffff"
            tile = Rectangle(
                (column - 0.48, row - 0.46), 0.96, 0.92, facecolor=colour, edgecolor=edge, linewidth=1.4, zorder=2 if own else 1
            )
            axes.add_patch(tile)
            text = share if recovered else number
            axes.text(
                column,
                row - 0.14,
                text(shown.value) if shown else "–",
                ha="center",
                va="center",
                fontsize=10,
                fontweight="bold",
                color="#1b1b1f",
            )
            if shown and shown.interval:
                ends = f"[{text(shown.interval[0])}, {text(shown.interval[1])}]"
                axes.text(column, row + 0.22, ends, ha="center", va="center", fontsize=7, color="#1b1b1f")
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.set_xticks(range(columns), matrix.columns, fontsize=8)
    axes.set_yticks(range(rows), matrix.rows, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _bars(groups: Sequence[Group], directions: Sequence[str], layout: Layout) -> Any:
    """What each leaves of mAP, the strongest first; a panel a direction."""
    lists = [ranked(groups, layout, direction) for direction in directions]
    figure = _figure(5.4 * len(directions), 0.24 * max(map(len, lists)) + 1.6)
    for direction, entries, axes in zip(directions, lists, figure.subplots(1, len(directions), squeeze=False)[0], strict=True):
        _ranked(axes, entries, direction)
        axes.set_title(_titled(direction), fontsize=10, loc="left")
    return figure


def _ranked(axes: Axes, entries: Sequence[Entry], direction: str) -> None:
    """Clean items above, then what each attack leaves, the ceiling last; the floor is a line across."""
    found = {one: average(entries, direction, one) for one in QUIET}
    attacked = [(entry.name, "attacked", entry.left.value, entry.left.interval) for entry in entries]
    rows = [("clean", "clean", found["clean"], None), *attacked, ("ceiling", "ceiling", found["ceiling"], None)]
    known = [(name, key, value, interval) for name, key, value, interval in rows if value is not None]
    ends = [0.5]
    for place, (_, key, value, interval) in enumerate(known):
        reach = [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]] if interval else None
        axes.barh(place, value, xerr=reach, color=COLOURS[key], height=0.7, error_kw={"elinewidth": 1, "capsize": 2})
        ends.append(interval[1] if interval else value)
        axes.text(ends[-1] + 0.01, place, number(value), va="center", fontsize=7)
    if (floor := found["floor"]) is not None:
        axes.axvline(floor, color="black", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(known)), [name for name, *_ in known], fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set(xlim=(0, max(ends) + 0.1), ylim=(len(known) - 0.4, -0.6))
    axes.set_xlabel("mAP (dotted: floor)", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _titled(direction: str) -> str:
    return DIRECTIONS.get(direction, direction.replace("_", " "))
