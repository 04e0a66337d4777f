"""A figure of one run for papers and pages: mAP of each condition with its interval, the floor as a line.

python -m crossattack.report.figure runs/NAME/results.json figure.svg
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossattack.cache import whole_file
from crossattack.report._rows import conditions, directions

COLOURS = {"clean": "#4477aa", "noise": "#bbbbbb", "attacked": "#ee6677", "ceiling": "#aa3377"}  # apart for the colour-blind too


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Write the figure; the path's ending decides the format. Equal results give equal files."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = directions(results)
    mpl.rcParams["svg.hashsalt"] = "crossattack"
    figure = Figure(figsize=(4.4 * len(shown), 2.3), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown.items(), strict=True):
        found = results["directions"][key]
        known = [name for name in COLOURS if found["map"].get(name) is not None]
        for place, name in enumerate(known):
            value, interval = found["map"][name], found["map_ci95"].get(name)
            reach = [[value - interval[0]], [interval[1] - value]] if interval else None
            axes.barh(place, value, xerr=reach, color=COLOURS[name], error_kw={"elinewidth": 1, "capsize": 2})
            axes.text((interval[1] if interval else value) + 0.01, place, f"{value:.3f}", va="center", fontsize=8)
        axes.set_yticks(range(len(known)), [conditions(results)[name] for name in known], fontsize=8)
        axes.axvline(found["map"]["floor"], color="black", linewidth=1, linestyle=":")
        axes.set(title=title, xlim=(0, 0.9), xlabel="mAP (dotted: floor)")
        axes.title.set_fontsize(10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    with whole_file(path) as file:
        figure.savefig(file, format=path.suffix.lstrip(".") or "svg", metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
