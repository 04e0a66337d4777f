"""One self-contained HTML page, from results.json alone.

It opens without a network and runs no script: its policy allows its own style sheet, by hash, and nothing else. Whatever
comes from the results is escaped.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crossattack.cache import whole_file
from crossattack.report._rows import conditions, directions, fact_rows, number, score_rows

HERE = Path(__file__).parent
WIDTH, LEFT, BAR = 640, 190, 26  # of a picture: all of it, its labels, and the height of a row


@dataclass(frozen=True)
class Bar:
    """One condition in a picture: where its bar ends, and its whiskers where it has an interval."""

    key: str
    label: str
    value: str
    y: int
    length: float
    whiskers: tuple[float, float] | None


@dataclass(frozen=True)
class Picture:
    """mAP of one direction as bars, the floor as a line across them."""

    title: str
    bars: tuple[Bar, ...]
    floor: float | None
    summary: str  # for those who do not see it


def write_page(results: Mapping[str, Any], path: Path) -> None:
    """Write the page, whole or not at all."""
    with whole_file(path) as file:
        file.write_text(page(results), encoding="utf-8")


def page(results: Mapping[str, Any]) -> str:
    """The page as HTML."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        name=results["name"],
        seed=results["seed"],
        source=json.dumps(results, indent=2, ensure_ascii=False),
        titles=list(directions(results).values()),
        rows=score_rows(results),
        facts=fact_rows(results),
        pictures=[picture(title, results["directions"][key], conditions(results)) for key, title in directions(results).items()],
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        size=(WIDTH, LEFT, BAR),
    )


def picture(title: str, direction: Mapping[str, Any], names: Mapping[str, str]) -> Picture:
    """Bars from 0 to 1, in the order of the table; conditions that were not measurable are left out."""
    known = {key: direction["map"][key] for key in names if direction["map"].get(key) is not None}
    intervals = direction.get("map_ci95", {})
    bars = [
        Bar(key, names[key], number(value), place * BAR, _along(value), _whiskers(intervals.get(key)))
        for place, (key, value) in enumerate((key, value) for key, value in known.items() if key != "floor")
    ]
    summary = ", ".join(f"{names[key]} {number(value)}" for key, value in known.items())
    return Picture(title, tuple(bars), LEFT + _along(known["floor"]) if "floor" in known else None, f"mAP when {title}: {summary}")


def _along(value: float | int) -> float:
    return round(max(0.0, min(1.0, value)) * (WIDTH - LEFT - 60), 1)


def _whiskers(interval: Any) -> tuple[float, float] | None:
    return (LEFT + _along(interval[0]), LEFT + _along(interval[1])) if interval else None
