"""The docs' tables of an ablation: what each setting does to an attack, beside the same attack without it, item by item.

python -m crossattack.report.ablation FOLDER_OF_THE_SWEEP docs/results/ablation.json
python -m crossattack.report.ablation docs/results/ablation.json docs/closing-the-gap.md

Rows of one table share the first family of the surrogates and the queries a picture; the first of them is what others are compared with.
Significance is of all rows of a table that were measured together (see `comparison`).

A file that is there already keeps its tables, so that an ablation can be made piece by piece: one of another training of the target stands
beside them, as what strangers get differs from one training to the next.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossattack.cache import whole_file
from crossattack.errors import UsageError
from crossattack.report._block import markdown, put
from crossattack.report._rows import number, share_with_interval
from crossattack.report.comparison import compare
from crossattack.report.sweep.layout import told

FAMILIES, QUERIES = "attack.families", "attack.queries"
SIDE = "image_to_text"
HEADER = ("with", "mAP", "recovered", "change of mAP")


def measured(sweep: Path) -> dict[str, Any]:
    """Plain values, fit for JSON, of the finished cells of a sweep: a table for each value of what rows share; `UsageError` of no sweep.

    A table whose first row is not there has nothing to compare the others with and is left out.
    """
    try:
        cells = json.loads((sweep / "sweep.json").read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"a sweep's folder with its sweep.json wanted, {sweep} got ({error}).") from error
    tables = dict[str, list[Mapping[str, Any]]]()
    for cell in cells:
        tables.setdefault(json.dumps(_shared(cell["values"])), []).append(cell)
    found = []
    for shared, rows in tables.items():
        done = [cell for cell in rows if cell["state"] == "done"]
        if len(done) > 1 and done[0] is rows[0]:
            found.append({"shared": json.loads(shared), "target": _target(sweep / rows[0]["digest"]), "rows": _rows(sweep, done)})
    return {"sweep": sweep.name, "done": sum(cell["state"] == "done" for cell in cells), "cells": len(cells), "tables": found}


def merged(kept: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept, then what was found; a table of the same target takes the place of its elder. `done`: rows of which there are any."""
    tables = {json.dumps([one["shared"], one.get("target")]): one for one in (*kept["tables"], *found["tables"])}
    done = {json.dumps([one["shared"], row["settings"]]) for one in tables.values() for row in one["rows"]}
    return {**found, "done": len(done), "tables": list(tables.values())}


def _shared(values: Mapping[str, Any]) -> dict[str, Any]:
    families = values.get(FAMILIES) or [None]
    return {FAMILIES: families[0], QUERIES: values.get(QUERIES, 0)}


def _target(run: Path) -> str:
    """What tells the target of a run from every other training of the same."""
    digest: str = json.loads((run / "results.json").read_text(encoding="utf-8"))["target"]["digest"]
    return digest


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a row does not share with its table."""
    rest = {key: value for key, value in values.items() if key not in (FAMILIES, QUERIES, "oracle.budget", "seed")}
    return {FAMILIES: values[FAMILIES], **rest} if len(values.get(FAMILIES, ())) > 1 else rest


def _rows(sweep: Path, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each cell with its settings of its own and its difference from the first one."""
    compared = compare([sweep / cell["digest"] for cell in cells])["directions"][SIDE]
    rows = []
    for cell, row in zip(cells, compared, strict=True):
        first, side = cell is cells[0], cell["directions"][SIDE]
        rows.append(
            {
                "digest": cell["digest"],
                "settings": {} if first else _own(cell["values"]),
                "map": side["map"],
                "recovered": side["recovered"],
                "recovered_ci95": side["recovered_ci95"],
                **({} if first else {name: row[name] for name in ("difference", "difference_ci95", "p", "significant")}),
            }
        )
    return rows


def table(found: Mapping[str, Any]) -> str:
    """One table in Markdown; a star marks what differs significantly from the first row."""
    return markdown(HEADER, map(_line, found["rows"]))


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    change = "" if "difference" not in row else f"{row['difference']:+.3f}{' *' if row['significant'] else ''}"
    recovered = share_with_interval(row["recovered"], row["recovered_ci95"])
    return _named(row["settings"]), number(row["map"]["attacked"]), recovered, change


def _named(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key.removeprefix('attack.')}={told(value)}`" for key, value in settings.items()) or "as it is"


def filled(page: str, kept: Mapping[str, Any]) -> str:
    """The page with its tables in its block, each under what its rows share."""
    parts, told = list[str](), set[str]()
    for one in kept["tables"]:
        title = _title(one["shared"])
        parts.append(f"\n**{title}{', another training of the target' if title in told else ''}**\n\n{table(one)}")
        told.add(title)
    return put(page, "ablation", "".join([*parts, "\n"]))


def _title(shared: Mapping[str, Any]) -> str:
    of = f"Surrogates of `{shared[FAMILIES]}`" if shared[FAMILIES] else "Surrogates of the target's own family"
    asked = f", {shared[QUERIES]} queries a picture" if shared[QUERIES] else ""
    return f"{of}{asked}"


def main() -> None:
    """Keep the figures of a sweep's folder, or put kept ones into a page."""
    source, wanted = Path(sys.argv[1]), Path(sys.argv[2])
    if source.is_dir():
        try:
            found = measured(source)
            whole = merged(json.loads(wanted.read_text(encoding="utf-8")), found) if wanted.exists() else found
            text = json.dumps(whole, indent=1) + "\n"
        except UsageError as error:
            sys.exit(str(error))
    else:
        text = filled(wanted.read_text(encoding="utf-8"), json.loads(source.read_text(encoding="utf-8")))
    with whole_file(wanted) as file:
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
