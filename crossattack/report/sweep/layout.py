"""What a sweep varies, and so how it is drawn: along a number, as a matrix, or as a list.

    surrogate.X against target.X    a matrix of the two; one of each for every value of the other keys
    a number (budget, steps, eps)   a curve along it, a line for every value of the other keys
    two kinds of things, crossed    a matrix of the two; one of each for every value of the other keys
    anything else                   a list, the strongest attack first

Nothing depends on the sweep's name or on whose file it was. A key that follows from another one (bits of the surrogate, where they
are always those of the target) tells nothing apart.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossattack.report.sweep.merging import is_seed

BUDGET: Final = "oracle.budget"
FRACTION: Final = re.compile(r"\s*(\d+)\s*/\s*(\d+)\s*")
NAMES: Final = {
    "oracle.budget": "queries spent",
    "attack.steps": "steps of the attack",
    "attack.eps": "radius of the attack",
    "target.bits": "bits of a code",
    "surrogate.image_tower": "the attacker's network",
    "target.image_tower": "the target's network",
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """along: the number that a curve runs along. rows, columns: keys of a matrix. others: keys that tell lines, or matrices, apart.

    twins: rows and columns are the same setting of attacker and target, so that the diagonal is the attacker who knows it.
    """

    along: str | None = None
    rows: str | None = None
    columns: str | None = None
    others: tuple[str, ...] = ()
    twins: bool = False


def layout_of(values: Sequence[Mapping[str, Any]]) -> Layout:
    """How cells of these values are drawn."""
    varied = list[str]()
    for key in keys_of(values):
        if not is_seed(key) and _differs(values, key) and not any(_decides(values, other, key) for other in varied):
            varied.append(key)
    everywhere = [key for key in varied if all(key in one for one in values)]
    numbers = [key for key in everywhere if all(number_of(one[key]) is not None for one in values)]
    for rows in everywhere:
        columns = rows.replace("surrogate.", "target.", 1)
        if rows != columns and columns in everywhere and rows not in numbers:
            return _matrix(rows, columns, varied, twins=True)
    if numbers:
        along = BUDGET if BUDGET in numbers else max(numbers, key=lambda key: len(choices(values, key)))
        return Layout(along=along, others=tuple(key for key in varied if key != along))
    for place, rows in enumerate(everywhere):
        for columns in everywhere[place + 1 :]:
            met = {(json.dumps(one[rows]), json.dumps(one[columns])) for one in values}
            if len(met) == len(choices(values, rows)) * len(choices(values, columns)):
                return _matrix(rows, columns, varied)
    return Layout(others=tuple(varied))


def _differs(values: Sequence[Mapping[str, Any]], key: str) -> bool:
    return len({_written(one, key) for one in values}) > 1


def _decides(values: Sequence[Mapping[str, Any]], key: str, other: str) -> bool:
    """Whether who knows the value of one key knows that of the other."""
    return len({(_written(one, key), _written(one, other)) for one in values}) == len({_written(one, key) for one in values})


def _written(one: Mapping[str, Any], key: str) -> str:
    return json.dumps(one[key], sort_keys=True) if key in one else ""


def _matrix(rows: str, columns: str, varied: Sequence[str], *, twins: bool = False) -> Layout:
    return Layout(rows=rows, columns=columns, others=tuple(key for key in varied if key not in (rows, columns)), twins=twins)


def keys_of(values: Sequence[Mapping[str, Any]]) -> list[str]:
    """All keys, as they come."""
    return list(dict.fromkeys(key for one in values for key in one))


def choices(values: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """Different values of a key, as they come."""
    return list({json.dumps(one[key], sort_keys=True): one[key] for one in values if key in one}.values())


def number_of(value: object) -> float | None:
    """8, 0.5 and "8/255" as a number; None of anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = FRACTION.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) / int(match[2]) if match and int(match[2]) else None


def named(key: str) -> str:
    """What a key is called where there is room for words."""
    return NAMES.get(key, key)


def told(value: object) -> str:
    """A value as it is read: 5,000; 8/255; aach; "gradient (decay 1.0, kernel 5)"."""
    if isinstance(value, Mapping):
        rest = ", ".join(f"{key} {told(one)}" for key, one in value.items() if key != "name")
        return f"{value['name']} ({rest})" if "name" in value and rest else str(value.get("name", rest))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)


def label(values: Mapping[str, Any], keys: Sequence[str]) -> str:
    """What tells a line or a row apart: "aach", "aach, bits 16"; names stand alone, other values with their key's last part."""
    parts = [
        told(values[key]) if _speaks(key, values[key]) else f"{key.split('.')[-1]} {told(values[key])}" for key in keys if key in values
    ]
    return ", ".join(parts) or "all cells"


def _speaks(key: str, value: object) -> bool:
    """Whether a value says by itself what it is."""
    return isinstance(value, str | Mapping) and number_of(value) is None and "." not in key
