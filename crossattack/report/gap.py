"""How much of the white box's damage is recovered, from the sweep that was kept: the docs' two tables and the README's figure.

python -m crossattack.report.gap docs/results/gap.json docs/closing-the-gap.md docs/gap.svg
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattack.cache import whole_file
from crossattack.report._block import markdown, put
from crossattack.report._rows import NONE, count, number, share, share_with_interval
from crossattack.report.figure import COLOURS, saved

OURS, TEXTS = "understudy", "texts"
GOALS = {  # by what the attacker knows and may do: the share that is to be recovered
    "family not told, 500 queries": 0.75,
    "family not told, 2,000 queries": 0.85,
    "family excluded, 2,000 queries": 0.60,
    "family excluded, 100 more a picture": 0.80,
    "network from scratch, 2,000 queries": 0.35,
    "network from scratch, 100 more a picture": 0.60,
    "two edited words": 0.60,
}
HEADERS = (("goal", "target", "wanted", "recovered", "mAP", "queries"), ("attack", "target", "recovered", "mAP", "queries"))


@dataclass(frozen=True)
class Row:
    """One cell of the sweep: who attacked what (a picture tower, or texts), and what came of it. goal: which it was to reach, if any."""

    who: str
    target: str
    goal: str | None = None
    spent: int | None = None
    side: Mapping[str, Any] | None = None

    @property
    def recovered(self) -> str:
        """With its interval, where it has one."""
        if self.side is None:
            return "not run yet"
        return share_with_interval(self.side["recovered"], self.side.get("recovered_ci95"))

    @property
    def scores(self) -> str:
        """mAP before and after, and after the white box."""
        if self.side is None:
            return NONE
        scores = self.side["map"]
        return f"{number(scores['clean'])} → {number(scores['attacked'])}, white box {number(scores['ceiling'])}"


def rows_of(kept: Mapping[str, Any]) -> list[Row]:
    """All cells, the goals in their order and then everybody else's, and noise for each target."""
    found, noises = list[Row](), dict[str, Row]()
    for cell in kept["cells"]:
        row = _row(cell)
        found.append(row)
        if row.side is not None and row.target not in noises:
            noises[row.target] = Row("noise", row.target, None, 0, _noise(row.side))
    order = list(GOALS)
    goals = sorted((row for row in found if row.goal), key=lambda row: (order.index(row.goal or ""), row.target))
    return [*goals, *(row for row in found if not row.goal), *noises.values()]


def _row(cell: Mapping[str, Any]) -> Row:
    values, done = cell["values"], cell["state"] == "done"
    attack = {"name": values["attack"]} if isinstance(values["attack"], str) else values["attack"]
    texts, tower = values.get("ceiling") == "tags", values.get("target.image_tower", "efficientnet_lite0")
    spent = cell["budget"]["spent"] if done else None
    side = cell["directions"]["text_to_image" if texts else "image_to_text"] if done else None
    goal = _goal(attack, tower, values["oracle.budget"], texts) if attack["name"] == OURS else None
    return Row(attack["name"], TEXTS if texts else tower, goal, spent, side)


def _goal(attack: Mapping[str, Any], tower: str, budget: int, texts: bool) -> str:
    if texts:
        return "two edited words"
    if len(attack["families"]) > 1:
        return f"family not told, {budget:,} queries"
    knows = "network from scratch" if tower == "convnet" else "family excluded"
    return f"{knows}, {attack['queries']:,} more a picture" if attack.get("queries") else f"{knows}, {budget:,} queries"


def _noise(side: Mapping[str, Any]) -> dict[str, Any]:
    """What the control of the same radius would have recovered."""
    scores = side["map"]
    taken = (scores["clean"] - scores["noise"]) / (scores["clean"] - scores["ceiling"])
    return {"recovered": taken, "map": {**scores, "attacked": scores["noise"]}}


def tables(kept: Mapping[str, Any]) -> tuple[str, str]:
    """In Markdown: the goals, and all others beside them."""
    goals, others = list[tuple[str, ...]](), list[tuple[str, ...]]()
    for row in rows_of(kept):
        target = row.target if row.target == TEXTS else f"`{row.target}`"
        if row.goal:
            goals.append((row.goal, target, share(GOALS[row.goal]), *_figures(row)))
        else:
            others.append((f"`{row.who}`", target, *_figures(row)))
    first, second = (markdown(header, lines) for header, lines in zip(HEADERS, (goals, others), strict=True))
    return first, second


def _figures(row: Row) -> tuple[str, str, str]:
    return row.recovered, row.scores, count(row.spent)


def filled(page: str, kept: Mapping[str, Any]) -> str:
    """The page with both tables in their blocks."""
    goals, others = tables(kept)
    return put(put(page, "goals", goals), "others", others)


def draw(kept: Mapping[str, Any], path: Path) -> None:
    """A panel a target, a bar an attack that is done, with its interval; a line where a goal lies. The path's ending decides the format."""
    from matplotlib.figure import Figure

    rows = [row for row in rows_of(kept) if row.side is not None]
    panels = {
        target: sorted((row for row in rows if row.target == target), key=_taken) for target in dict.fromkeys(row.target for row in rows)
    }
    high = [len(panel) for panel in panels.values()]
    figure = Figure(figsize=(7.6, 0.9 * len(high) + 0.24 * sum(high)), layout="constrained", dpi=150)
    drawn = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=[rows + 1 for rows in high])[:, 0]
    for axes, (target, panel) in zip(drawn, panels.items(), strict=True):
        _bars(axes, panel)
        axes.set_title("texts, two edited words" if target == TEXTS else f"pictures, target with {target}", fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    lowest = min((row.side or {}).get("recovered_ci95", [0.0])[0] for row in rows)
    drawn[-1].set(xlim=(lowest - 0.05 if lowest < 0 else 0, 1.25))
    drawn[-1].set_xlabel("share of the white box's damage (line: goal)", fontsize=8)
    drawn[-1].set_xticks([tick / 5 for tick in range(6)], [f"{20 * tick} %" for tick in range(6)], fontsize=7)
    with whole_file(path) as file:
        saved(figure, file, path.suffix)


def _bars(axes: Any, panel: Sequence[Row]) -> None:
    for place, row in enumerate(panel):
        value, interval = _taken(row), (row.side or {}).get("recovered_ci95")
        reach = [[value - interval[0]], [interval[1] - value]] if interval else None
        colour = COLOURS["attacked" if row.who == OURS else "noise" if row.who == "noise" else "clean"]
        axes.barh(place, value, color=colour)
        axes.errorbar(value, place, xerr=reach, color="black", elinewidth=1, capsize=2)
        if row.goal:
            axes.plot([GOALS[row.goal]] * 2, [place - 0.45, place + 0.45], color="black", linewidth=1.5)
        end = max(interval[1] if interval else value, GOALS[row.goal] if row.goal else 0, 0)
        axes.text(end + 0.02, place, row.recovered, va="center", fontsize=7)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(panel)), [_label(row) for row in panel], fontsize=7)


def _label(row: Row) -> str:
    if row.who == "noise":
        return row.who
    return f"{row.who}: {row.goal}" if row.goal else f"{row.who}, {count(row.spent)} queries"


def _taken(row: Row) -> float:
    return float((row.side or {}).get("recovered") or 0.0)


def main() -> None:
    """Put the tables of a kept sweep into a page and draw its figure."""
    kept = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    page, figure = Path(sys.argv[2]), Path(sys.argv[3])
    told = filled(page.read_text(encoding="utf-8"), kept)
    with whole_file(page) as file:
        file.write_text(told, encoding="utf-8")
    draw(kept, figure)


if __name__ == "__main__":
    main()
