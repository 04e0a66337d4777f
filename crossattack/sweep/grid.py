"""A sweep's file: settings that all runs share, and the grid of those in which they differ.

    name: budget
    base: default.yaml                  # a run's file, relative to this one, or its settings themselves
    grid:
      oracle.budget: [100, 200, 500]    # every budget with every seed: 6 runs
      seed: [0, 1]

Several grids, as a list, are taken together; settings that belong together stand row by row:

    grid:
      - seed: [0, 1]
        together:                       # each row with each seed: 4 runs
          - {target.bits: 16, surrogate.bits: 16}
          - {target.bits: 64, surrogate.bits: 64}
      - attack: [noise]                 # and one more

The file is refused as a whole, a line a problem, before anything is written.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from crossattack.config import RunConfig, config_of
from crossattack.config._sources import read_yaml
from crossattack.errors import ConfigError, nearest

KEYS: Final = ("name", "base", "grid", "attempts")
TOGETHER: Final = "together"
SAME_RUN: Final = ("name", "device")  # settings by which no two runs differ
LATER: Final[Mapping[str, Any]] = {  # settings that came later, and what there was before them
    "defence": "none",
    "oracle.adaptive": True,
    "oracle.draws": 8,
    "attack.affine": 0.0,
    "attack.consensus": 0,
    "attack.doubt": 0.0,
    "attack.pattern": "smooth",
    "attack.sizes": [1.0],
    "attack.swaps": 0.0,
    "target.adversarial": 0.0,
    "target.adversarial_steps": 3,
    "target.smoothing": 0.0,
    "target.smoothing_weight": 1.0,
}
MOST: Final = 10_000  # cells
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a sweep. values: what the grid set, by dotted key."""

    digest: str
    values: Mapping[str, Any]
    config: RunConfig


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep's file, understood. keys: all that some grid sets. attempts: how often a cell may lose its worker."""

    name: str
    keys: tuple[str, ...]
    cells: tuple[Cell, ...]
    attempts: int = 3


def load_sweep(path: Path, *, allow_code: bool = False) -> Sweep:
    """The sweep that a file describes; `ConfigError` has a line for each problem, naming cell and key.

    allow_code: whether cells may run the code that their settings name as their target.
    """
    tree = read_yaml(path)
    found = [f"{key}: no such key of a sweep{nearest(key, KEYS)}; known: {', '.join(KEYS)}." for key in tree if key not in KEYS]
    attempts = tree.get("attempts", 3)
    if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
        found.append(f"attempts: a whole number of 1 or more wanted, {attempts!r} got.")
    grids = list(_grids(tree.get("grid"), found))
    if found:
        raise ConfigError("\n".join(found))
    if (count := sum(math.prod(map(len, factors)) for factors in grids)) > MOST:
        raise ConfigError(f"grid: at most {MOST:,} cells wanted, {count:,} got; make several sweeps of it.")
    every = [{key: value for part in parts for key, value in part.items()} for factors in grids for parts in product(*factors)]
    keys = tuple(dict.fromkeys(key for values in every for key in values))
    cells = _cells(_base(tree.get("base"), path), every, allow_code=allow_code)
    return Sweep(name=name_of(path, tree), keys=keys, cells=cells, attempts=attempts)


def name_of(path: Path, tree: Mapping[str, Any] | None = None) -> str:
    """What the sweep is called: its `name`, or the file's own."""
    name = str((read_yaml(path) if tree is None else tree).get("name") or path.stem)
    if not NAME.fullmatch(name):
        raise ConfigError(f"name: a folder's name of at most 100 letters, digits, '.', '_' and '-' wanted, {name!r} got.")
    return name


def digest_of(resolved: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits of all settings that decide a run's figures; one that came later counts where it is not as before."""
    decisive = {key: _as_before(key, value) for key, value in resolved.items() if key not in SAME_RUN and not _is_as_before(key, value)}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _as_before(section: str, value: Any) -> Any:
    """A section less its settings that are as before."""
    if not isinstance(value, Mapping):
        return value
    return {key: one for key, one in value.items() if not _is_as_before(f"{section}.{key}", one)}


def _is_as_before(key: str, value: Any) -> bool:
    return key in LATER and bool(value == LATER[key])


def told(values: Mapping[str, Any]) -> str:
    """ "oracle.budget=100 seed=0"."""
    return " ".join(f"{key}={value if isinstance(value, str) else json.dumps(value, default=str)}" for key, value in values.items())


def _base(base: object, path: Path) -> dict[str, Any]:
    """Settings that all cells share."""
    if isinstance(base, str):
        return read_yaml(path.parent / base)
    if base is None or isinstance(base, Mapping):
        return {str(key): value for key, value in (base or {}).items()}
    raise ConfigError(f"base: a run's settings, or the path of its file, wanted, {base!r} got.")


def _grids(grid: object, found: list[str]) -> Iterator[list[list[dict[str, Any]]]]:
    """Each grid as its factors: lists of alternatives, of which a cell takes one of each. Problems go to `found`."""
    tables = grid if isinstance(grid, list) else [grid]
    for number, table in enumerate(tables, start=1):
        where = f"grid {number}: " if len(tables) > 1 else "grid: "
        if not isinstance(table, Mapping) or not table:
            found.append(f"{where}a table of keys, each with a list of values, wanted, {table!r} got.")
            continue
        factors = [_factor(str(key), values, where, found) for key, values in table.items()]
        keys = [key for factor in factors for key in dict.fromkeys(key for part in factor for key in part)]
        found += [f"{where}{key}: wanted in `{TOGETHER}` or beside it, got in both." for key in dict.fromkeys(keys) if keys.count(key) > 1]
        found += [f"{where}{key}: a setting that makes runs differ wanted, {key} does not." for key in keys if key in SAME_RUN]
        yield factors


def _factor(key: str, values: object, where: str, found: list[str]) -> list[dict[str, Any]]:
    """The alternatives that one line of a grid stands for."""
    if not isinstance(values, list) or not values:
        found.append(f"{where}{key}: a list of values wanted, {values!r} got{'' if isinstance(values, list) else f'; write [{values}]'}.")
        return []
    if key != TOGETHER:
        return [{key: value} for value in values]
    rows = [row for row in values if isinstance(row, Mapping) and row]
    if len(rows) < len(values):
        found.append(f"{where}{TOGETHER}: a list of tables, each with settings that go together, wanted, {values!r:.80} got.")
    return [{str(own): value for own, value in row.items()} for row in rows]


def _cells(base: dict[str, Any], every: Sequence[Mapping[str, Any]], *, allow_code: bool) -> tuple[Cell, ...]:
    """A cell for each table of values, equal ones once; `ConfigError` names for each problem the first cell that has it."""
    cells, problems = dict[str, Cell](), dict[str, list[str]]()
    for values in every:
        try:
            changes = sorted(values.items(), key=lambda change: change[0].count("."))  # a section before its settings
            config = config_of(deepcopy(base), changes)
            config = (config.with_leave() if allow_code else config).fit_to_run()
        except ConfigError as error:
            for line in str(error).splitlines():
                problems.setdefault(line, []).append(told(values))
            continue
        digest = digest_of(config.resolved())
        cells.setdefault(digest, Cell(digest=digest, values=values, config=config.model_copy(update={"name": digest})))
    if problems:
        raise ConfigError("\n".join(f"{_where(names, len(every))}: {line}" for line, names in problems.items()))
    return tuple(cells.values())


def _where(names: Sequence[str], of: int) -> str:
    if len(names) == of:
        return "every cell"
    return f"cell {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
