"""Runs side by side: what each one's attack left of the ranking, and whether that differs from the first run's.

Differences of average precision are taken item by item, so only runs that attacked the same items can be compared: the same
ids, holding the same pictures and texts, searched for in the same database. Intervals (BCa) and significance (signs flipped at random)
go by groups, as everywhere; the p values are adjusted for the number of runs that are compared with the first.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jaxtyping import Float64, Int64
from numpy import ndarray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossattack.attacks import Pictures
from crossattack.errors import UsageError
from crossattack.evaluation import DIRECTIONS
from crossattack.evidence import read
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.ledger import Ledger
from crossattack.metrics.statistics import bca_mean, holm, paired_p_value
from crossattack.report._rows import DIRECTIONS as TITLES
from crossattack.report.sweep.layout import told
from crossattack.streams import Streams

CONDITIONS: Final = ("clean", "noise", "attacked", "ceiling")
RESAMPLES: Final = 10_000


@dataclass(frozen=True)
class Judged:
    """One direction of a run: average precision of each item by condition. items: id and fingerprint of each clean one."""

    items: tuple[tuple[int, bytes], ...]
    groups: Int64[ndarray, " items"]
    scores: Mapping[str, Float64[ndarray, " items"]]


def judged(folder: Path) -> tuple[str, dict[str, Judged]]:
    """The digest of a finished run's split, and its directions. Items to which nothing is relevant are left out."""
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        evidence = read(folder, ledger)
    found = {}
    for direction, ranking in evidence.rankings.items():
        clean = evidence.conditions["clean"][DIRECTIONS[direction]].items
        keys = fingerprint_images(clean.values) if isinstance(clean, Pictures) else fingerprint_texts(clean.values)
        scored = ranking.counted.right > 0
        items = tuple((item, key) for item, key, kept in zip(clean.ids, keys, scored, strict=True) if kept)
        scores = {name: values[scored] for name, values in ranking.scores(ranking.relevant).items() if name in CONDITIONS}
        found[direction] = Judged(items, ranking.groups[scored], scores)
    return evidence.split.digest(), found


def compare(folders: Sequence[Path]) -> dict[str, Any]:
    """Plain values, fit for JSON: by direction a row a run, with its difference from the first; `UsageError` on other items."""
    if len(folders) < 2:
        raise UsageError(f"compare: two runs or more wanted, {len(folders)} got.")
    splits, runs = zip(*map(judged, folders), strict=True)
    for folder, split, run in zip(folders, splits, runs, strict=True):
        _refuse_others(folders[0], runs[0], folder, run, same_split=split == splits[0])
    directions = {
        direction: [_row(folder, run[direction], base) for folder, run in zip(folders, runs, strict=True)]
        for direction, base in runs[0].items()
    }
    for rows in directions.values():
        _adjust([row for row in rows[1:] if row["p"] is not None])
    return {"first": str(folders[0]), "directions": directions}


def _row(folder: Path, run: Judged, base: Judged) -> dict[str, Any]:
    """A run in one direction. difference: its attacked mAP less the first run's; p: how likely one so large is by chance."""
    row: dict[str, Any] = {
        "run": str(folder),
        "settings": settings_of(folder),
        "map": {name: float(values.mean()) for name, values in run.scores.items()},
    }
    if "attacked" not in run.scores or "attacked" not in base.scores:
        return {**row, "difference": None, "difference_ci95": None, "p": None, "significant": None}
    change = run.scores["attacked"] - base.scores["attacked"]
    interval = bca_mean(change, run.groups, Streams(0).numpy("bootstrap"), RESAMPLES)
    p = None if interval is None else paired_p_value(change, run.groups, Streams(0).numpy("flips"), RESAMPLES)
    return {**row, "difference": float(change.mean()), "difference_ci95": interval, "p": p, "significant": None}


def _adjust(rows: Sequence[dict[str, Any]]) -> None:
    """p values for being as many as they are; significant: below 0.05 then."""
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"p": p, "significant": p < 0.05}


def settings_of(folder: Path) -> dict[str, Any] | None:
    """What a sweep's grid set for the run, read off the sweep.json beside its folder; None of a run that is no sweep's cell."""
    try:
        cells = json.loads((folder.parent / "sweep.json").read_text(encoding="utf-8"))["cells"]
        return next((dict(cell["values"]) for cell in cells if cell["digest"] == folder.name), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refuse_others(first: Path, base: Mapping[str, Judged], folder: Path, run: Mapping[str, Judged], *, same_split: bool) -> None:
    advice = "compare runs of one data set, split and number of attacked items"
    if set(run) != set(base):
        raise UsageError(f"compare: {' and '.join(base)} wanted, as in {first}, {' and '.join(run)} got in {folder}; {advice}.")
    for direction, one in run.items():
        wanted, shared = base[direction].items, set(one.items) & set(base[direction].items)
        if same_split and one.items == wanted:
            continue
        got = f"{folder} shares {len(shared):,} of its {len(one.items):,}" if same_split else f"{folder} has another split"
        raise UsageError(f"compare: the {len(wanted):,} items of {first} wanted, {got} ({direction}); {advice}.")


def print_comparison(found: Mapping[str, Any], terminal: bool | None = None) -> None:
    """A table a direction on stdout; a star marks what differs significantly from the first run."""
    terminal = sys.stdout.isatty() if terminal is None else terminal
    console = Console(file=sys.stdout, force_terminal=terminal, highlight=False, markup=False, width=None if terminal else 400)
    for direction, rows in found["directions"].items():
        table = Table(box=SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for title in (TITLES.get(direction, direction), *CONDITIONS, "attacked, less the first"):
            table.add_column(title)
        for row in rows:
            scores = (f"{row['map'][name]:.3f}" if name in row["map"] else "–" for name in CONDITIONS)
            table.add_row(*map(Text, (_named(row), *scores, "" if row is rows[0] else _difference(row))))
        console.print(table)
    tested = "signs flipped by groups, adjusted for the number of runs; 95 % intervals (BCa)"
    says = f"* differs significantly (p < 0.05), paired item by item: {tested}"
    console.print(says, soft_wrap=True)


def _named(row: Mapping[str, Any]) -> str:
    """A run's folder, and of a sweep's cell what tells it from the others."""
    settings = ", ".join(f"{key} {told(value)}" for key, value in (row["settings"] or {}).items())
    return f"{row['run']} ({settings})" if settings else str(row["run"])


def _difference(row: Mapping[str, Any]) -> str:
    if row["difference"] is None:
        return "–"
    interval = "" if row["difference_ci95"] is None else " [{:+.3f}, {:+.3f}]".format(*row["difference_ci95"])
    return f"{row['difference']:+.3f}{interval}{' *' if row['significant'] else ''}"
