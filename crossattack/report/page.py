"""One self-contained HTML page of a run: from results.json alone, or with examples of what was asked and found.

It opens without a network; its policy allows its own script and style sheet, by hash, pictures that lie inside it, and nothing
else. Whatever comes from the results or the data is escaped. Without scripts everything is still there, only in one order.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crossattack.cache import whole_file
from crossattack.report import _bars, _curves
from crossattack.report._headline import headline, sentences
from crossattack.report._reproduce import command
from crossattack.report._rows import DIRECTIONS, NONE, conditions, count, directions, number, score_rows, setting_rows
from crossattack.report._training import courses
from crossattack.report.tables import bill, checks, distortion

HERE = Path(__file__).parent
LATER = "`crossattack report` writes this page again, with examples: what was asked before and after the attack, and what was found."
log = logging.getLogger("crossattack")


@dataclass(frozen=True)
class Shown:
    """Examples by direction (`examples.Examples`), and what has to be said about them, or about why there are none."""

    directions: Sequence[Any] = ()
    notes: Sequence[str] = (LATER,)


def write_page(results: Mapping[str, Any], path: Path) -> None:
    """Write the page of a run that has just ended, whole or not at all; where it cannot be written, a line says so."""
    try:
        with whole_file(path) as file:
            file.write_text(page(results), encoding="utf-8")
    except Exception as error:  # the run is done and paid for: no fault of its page may take that back
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        log.warning("%s could not be written (%s); results.json is whole.", path, reason)


def page(results: Mapping[str, Any], shown: Shown | None = None) -> str:
    """The page as HTML."""
    titles, names = directions(results), conditions(results)
    found = results.get("directions", {})
    return rendered(
        "page.html.j2",
        name=results.get("name", NONE),
        seed=results.get("seed", NONE),
        started=results.get("started", NONE),
        source=json.dumps(results, indent=2, ensure_ascii=False),
        titles=titles,
        all_titles=DIRECTIONS,
        headlines={key: headline(found[key]) for key in titles},
        sentences={key: sentences(key, found[key], results) for key in titles},
        bars={key: _bars.picture(title, found[key], names) for key, title in titles.items()},
        bars_size=(_bars.WIDTH, _bars.LEFT, _bars.BAR),
        curves=[drawn for key, title in titles.items() if (drawn := _curves.curves(title, found[key], names))],
        rows=score_rows(results),
        courses=courses(results),
        distortion=distortion(results),
        checks=checks(results),
        bill=bill(results),
        facts=setting_rows(results),
        command=command(results.get("config", {})),
        digests=_digests(results),
        shown=shown or Shown(),
    )


def rendered(template: str, *, extra_style: str = "", **parts: Any) -> str:
    """A page of the family: its style sheet and its script lie inside it, and nothing else may be run or fetched."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    style += extra_style
    own = {"style": style, "script": script, "style_hash": _hash(style), "script_hash": _hash(script)}
    return _environment().get_template(template).render(**parts, **own)


@cache
def _environment() -> Environment:
    """Templates, compiled once."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "count": count}
    return environment


def _digests(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What has to be equal for a run to be the same."""
    kept = {"split of the data": ("dataset", "split_digest"), "target": ("target", "digest"), "ledger": ("budget", "ledger_digest")}
    return [(what, str(results.get(section, {}).get(key) or NONE)) for what, (section, key) in kept.items()]


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
