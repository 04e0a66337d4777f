"""A sweep to report on: from its folder with all that the folder knows, or from the small file that was kept of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from crossattack.cache import whole_file
from crossattack.errors import UsageError
from crossattack.progress import Progress
from crossattack.sweep.again import file_of, shared
from crossattack.sweep.outcome import SCHEMA, headline, results_of, summary
from crossattack.sweep.pooling import intervals
from crossattack.sweep.table import Table

DIGITS: Final = 6  # of a figure that is kept
SETTINGS: Final = ("values", "shared")  # which are kept to the last digit: they decide


def find(name: str, runs: Path) -> Path | None:
    """A sweep's folder, or a kept file, by its path or by its name in `runs`; None where it is neither."""
    for path in (Path(name), runs / name):
        if (path / "sweep.sqlite").is_file():
            return path
        if (path / "sweep.json").is_file():
            return path / "sweep.json"
        if path.is_file() and path.suffix == ".json":
            return path
    return None


def done_cells(name: str, runs: Path) -> list[Path]:
    """Folders of a sweep's runs that are done, in the order of its file; none of what is no sweep's folder."""
    folder = find(name, runs)
    if folder is None or not folder.is_dir():
        return []
    with Table.read(folder / "sweep.sqlite") as table:
        return [folder / row.digest for row in table.rows() if row.state == "done"]


def read(path: Path, progress: Progress) -> dict[str, Any]:
    """All that a report says, fit for JSON: sweep.json, with `shared`, `file` and `intervals` where there is a folder."""
    return _read_folder(path, progress) if path.is_dir() else _read_file(path)


def keep(sweep: Mapping[str, Any], path: Path) -> None:
    """As a small file from which every figure can be drawn again: a line a cell, numbers of six digits."""
    rounded = _rounded(sweep)
    lines = [
        f"{json.dumps(key)}: {_listed(value) if key in ('cells', 'intervals') else json.dumps(value)}" for key, value in rounded.items()
    ]
    try:
        with whole_file(path) as file:
            file.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"keep: a file to write to wanted, {path} got ({error.strerror}); name another with `--keep FILE`.") from error


def _read_folder(folder: Path, progress: Progress) -> dict[str, Any]:
    with Table.read(folder / "sweep.sqlite") as table:
        keys, rows, settings = table.keys, table.rows(), table.settings()
    for place, row in enumerate(rows):
        if row.state == "done" and (results := results_of(folder / row.digest, row.digest)) is not None:
            rows[place] = replace(row, headline=headline(results))  # records of older versions say less
    told = summary(folder.name, keys, rows)
    file = file_of(folder.name, {row.digest: row.values for row in rows}, settings)
    return {**told, "shared": shared(settings), "file": file, "intervals": intervals(told, folder, progress)}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"report: the sweep.json of a sweep wanted, {path} got, which is no JSON; name the sweep's folder.") from error
    wanted = {"schema", "name", "keys", "counts", "cells"}
    if not isinstance(told, dict) or not wanted <= set(told) or told["schema"] != SCHEMA:
        raise UsageError(f"report: the sweep.json of a sweep (schema {SCHEMA}) wanted, {path} got, which is another file.")
    return told


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {key: one if key in SETTINGS else _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def _listed(values: list[Any]) -> str:
    return "[\n" + ",\n".join(json.dumps(one) for one in values) + "\n]" if values else "[]"
