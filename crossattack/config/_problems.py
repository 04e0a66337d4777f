"""What is wrong with a configuration: one line a problem, with the key, what was wanted, what was got and the nearest choice."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crossattack.errors import nearest

SENTENCES: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "greater_than_equal": lambda got, bound: f"{_short(bound['ge'])} or more wanted, {got} got; the nearest is {_short(bound['ge'])}.",
    "less_than_equal": lambda got, bound: f"{_short(bound['le'])} or less wanted, {got} got; the nearest is {_short(bound['le'])}.",
    "greater_than": lambda got, bound: f"more than {_short(bound['gt'])} wanted, {got} got.",
    "less_than": lambda got, bound: f"less than {_short(bound['lt'])} wanted, {got} got.",
    "literal_error": lambda got, known: f"{known['expected']} wanted, {_quoted(got)} got{_near(got, known['expected'])}.",
}
KINDS = {"int": "a whole number", "float": "a number", "finite": "a finite number", "bool": "true or false", "string": "a text"}
TABLES = ("model_type", "dict_type", "dataclass_type")


class Problems(ValueError):
    """Several things wrong at once: (key, sentence) each, keys relative to where it is raised."""

    def __init__(self, found: Iterable[tuple[str, str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(f"{key}: {sentence}" for key, sentence in self.found))


def explain(errors: Sequence[Mapping[str, Any]], known: Callable[[str], Iterable[str]]) -> list[tuple[str, str]]:
    """Pydantic's errors as (dotted key, sentence). `known(table)` lists the keys that a table has; "" is the outermost."""
    found = []
    for error in errors:
        key = ".".join(str(part) for part in error["loc"])
        inner = error.get("ctx", {}).get("error")
        if isinstance(inner, Problems):
            found += [(".".join(part for part in (key, below) if part), sentence) for below, sentence in inner.found]
        elif error["type"] == "extra_forbidden":
            *table, last = (str(part) for part in error["loc"])
            found.append((key, unknown_key(last, known(".".join(table)))))
        else:
            found.append((key, _sentence(error, inner)))
    return found


def unknown_key(key: str, known: Iterable[str]) -> str:
    """No such key; which there are, and the nearest; or how to write it, where it is a path."""
    table, dot, inside = key.partition(".")
    if dot and table in (known := tuple(known)):
        return f"settings of `{table}` wanted inside it, a dotted key got; write `{table}: {{{inside}: ...}}`."
    return f"no such key{nearest(key, known := tuple(known))}; known here: {', '.join(known)}."


def _sentence(error: Mapping[str, Any], inner: object) -> str:
    kind, got = str(error["type"]), error["input"]
    if kind in SENTENCES:
        return SENTENCES[kind](got, error["ctx"])
    if kind == "string_pattern_mismatch":
        return f"{_described(error['ctx']['pattern'])} wanted, {_quoted(got)} got."
    if kind in TABLES:
        return f"a table of settings wanted, {_quoted(got)} got."
    wanted = KINDS.get(kind.split("_")[0])
    return f"{wanted} wanted, {_quoted(got)} got." if wanted else f"{inner or error['msg']}, {_quoted(got)} got."


PATTERNS = {
    r"^(auto|cpu|cuda(:\d+)?)$": "auto, cpu, cuda or cuda:N",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$": "a folder's name of at most 100 letters, digits, '.', '_' and '-'",
}


def _described(pattern: str) -> str:
    return PATTERNS.get(pattern, f"a text like {pattern}")


def _near(got: object, expected: str) -> str:
    return nearest(str(got), re.findall(r"'([^']*)'", expected))


def _short(number: float | int) -> str:
    return f"{number:g}"


def _quoted(got: object) -> str:
    text = repr(got)
    return text if len(text) <= 60 else f"{text[:57]}..."
