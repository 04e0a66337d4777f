"""Figures of one run for papers and pages, and its tables: mAP as bars, precision against recall as lines.

python -m crossattack.report.figure runs/NAME/results.json figure.svg
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from crossattack.cache import whole_file
from crossattack.errors import UsageError
from crossattack.report._rows import conditions, directions
from crossattack.report.tables import Table, as_csv, as_latex, curves_of, tables

COLOURS = {"clean": "#4477aa", "noise": "#bbbbbb", "attacked": "#ee6677", "ceiling": "#aa3377"}  # apart for the colour-blind too
STYLES = {"clean": "o-", "noise": "s:", "attacked": "^--", "ceiling": "D-."}
Axes: TypeAlias = Any  # matplotlib is imported only where it draws
Draw: TypeAlias = Callable[[Axes, Mapping[str, Any], Mapping[str, str]], None]


def draw(results: Mapping[str, Any], path: Path) -> None:
    """mAP of each condition with its interval, the floor as a line. The path's ending decides the format."""
    _drawn(results, path, directions(results), 2.3, bars)


def draw_curves(results: Mapping[str, Any], path: Path) -> None:
    """Precision against recall of each direction that has codes."""
    _drawn(results, path, with_curves(results), 2.8, lines)


def with_curves(results: Mapping[str, Any]) -> dict[str, str]:
    """The directions that have precision-recall curves."""
    return {key: title for key, title in directions(results).items() if curves_of(results["directions"][key])}


def write_figures(results: Mapping[str, Any], folder: Path) -> list[str]:
    """All figures as SVG and PNG and all tables as CSV and LaTeX; equal results give equal files. Returns their names."""
    wanted = {"map": draw, **({"precision_recall": draw_curves} if with_curves(results) else {})}
    return written(results, folder, wanted, tables(results))


def written(
    source: Mapping[str, Any], folder: Path, drawings: Mapping[str, Callable[[Any, Path], None]], made: Sequence[Table]
) -> list[str]:
    """Each drawing of the source as SVG and PNG and each table as CSV and LaTeX. Returns their names."""
    names = []
    try:
        for name, drawing in drawings.items():
            for ending in ("svg", "png"):
                drawing(source, folder / f"{name}.{ending}")
                names.append(f"{name}.{ending}")
        for table in made:
            for ending, text in {"csv": as_csv(table), "tex": as_latex(table)}.items():
                with whole_file(folder / f"{table.key}.{ending}") as file:
                    file.write_text(text, encoding="utf-8")
                names.append(f"{table.key}.{ending}")
    except OSError as error:
        raise UsageError(f"figures: a folder to write to wanted, {folder} got ({error.strerror}); name another.") from error
    return names


def bars(axes: Axes, found: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """One direction's mAP."""
    scores, intervals = found.get("map", {}), found.get("map_ci95", {})
    known = [name for name in COLOURS if scores.get(name) is not None]
    ends = [0.9]
    for place, name in enumerate(known):
        value, interval = scores[name], intervals.get(name)
        reach = [[value - interval[0]], [interval[1] - value]] if interval else None
        axes.barh(place, value, xerr=reach, color=COLOURS[name], error_kw={"elinewidth": 1, "capsize": 2})
        end = interval[1] if interval else value
        axes.text(end + 0.01, place, f"{value:.3f}", va="center", fontsize=8)
        ends.append(end + 0.14)
    axes.set_yticks(range(len(known)), [names[name] for name in known], fontsize=8)
    if scores.get("floor") is not None:
        axes.axvline(scores["floor"], color="black", linewidth=1, linestyle=":")
    axes.set(xlim=(0, max(ends)), xlabel="mAP (dotted: floor)")


def lines(axes: Axes, found: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """One direction's precision against recall."""
    for name, points in curves_of(found).items():
        if name in COLOURS:
            axes.plot(*zip(*points, strict=True), STYLES[name], color=COLOURS[name], label=names[name], markersize=4, linewidth=1.2)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    axes.legend(fontsize=7, frameon=False)


def _drawn(results: Mapping[str, Any], path: Path, shown: Mapping[str, str], high: float, one: Draw) -> None:
    """A panel a direction."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * max(1, len(shown)), high), layout="constrained", dpi=150)
    for axes, (key, title) in zip(figure.subplots(1, max(1, len(shown)), sharey=True, squeeze=False)[0], shown.items(), strict=True):
        one(axes, results["directions"][key], conditions(results))
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    if one is bars:
        figure.axes[0].invert_yaxis()
    with whole_file(path) as file:
        saved(figure, file, path.suffix)


def saved(figure: Any, file: Path, suffix: str) -> None:
    """A figure as a file; nothing of the time or the machine goes into it."""
    import matplotlib as mpl

    mpl.rcParams["svg.hashsalt"] = "crossattack"
    figure.savefig(file, format=suffix.lstrip(".") or "svg", metadata={"Date": None} if suffix == ".svg" else None)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
