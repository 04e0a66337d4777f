"""A file that makes the same sweep again: what all its cells share, and what each of them sets."""

import json
import math
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import yaml

from crossattack.config._flat import flat
from crossattack.errors import CrossattackError
from crossattack.sweep.grid import SAME_RUN, load_sweep

ROUNDS: Final = 3  # a plugin inside a plugin shows its own settings once it is chosen


def shared(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Settings by dotted key that are equal in all cells, but for those by which no two runs differ."""
    every = [flat(one) for one in settings.values()]
    first = every[0] if every else {}
    return {key: first[key] for key in first if key not in SAME_RUN and all(key in one and one[key] == first[key] for one in every)}


def file_of(name: str, values: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The shortest file found whose cells have exactly these digests; None where none was found. Both tables are by digest.

    A setting that is the usual one is left out, as long as versions agree on what is usual.
    """
    wanted, base = _usual(values, settings), dict[str, Any]()
    grid = _grid(list(values.values()))
    try:
        for _ in range(ROUNDS):
            text = yaml.dump({"name": name, "base": _nested(base), "grid": grid}, Dumper=_Plain, sort_keys=False, allow_unicode=True)
            got = _cells(text)
            if set(got) == set(values):
                return text
            for one in map(flat, got.values()):
                base |= {key: value for key, value in wanted.items() if key not in one or one[key] != value}
    except CrossattackError:
        pass
    return None


class _Plain(yaml.SafeDumper):
    """YAML without aliases, which a sweep's file may not have."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _usual(values: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What `base` may say: what all cells share, and what most have of settings that the grid sets for some cells only."""
    for_some = {key for one in values.values() for key in one if not all(key in other for other in values.values())}
    every = [flat(one) for one in settings.values()]
    most = {
        key: Counter(json.dumps(one[key]) for one in every).most_common(1) for key in sorted(for_some) if all(key in one for one in every)
    }
    return {**shared(settings), **{key: json.loads(value) for key, [(value, _)] in most.items()}}


def _cells(text: str) -> dict[str, Mapping[str, Any]]:
    """All settings of each cell of a file, by digest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.yaml"
        path.write_text(text, encoding="utf-8")
        return {cell.digest: cell.config.resolved() for cell in load_sweep(path).cells}


def _grid(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lists of values where cells are all that these make, row by row otherwise."""
    keys = list(values[0]) if values else []
    factors = {
        key: [value for place, value in enumerate(column) if value not in column[:place]]
        for key in keys
        for column in [[one.get(key) for one in values]]
    }
    crossed = all(list(one) == keys for one in values) and math.prod(map(len, factors.values())) == len(values)
    if crossed and [tuple(one.values()) for one in values] == list(product(*factors.values())):
        return factors
    return {"together": [dict(one) for one in values]}


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted key as a tree."""
    tree = dict[str, Any]()
    for key, value in settings.items():
        *above, last = key.split(".")
        table = tree
        for part in above:
            table = table.setdefault(part, {})
        table[last] = value
    return tree
