"""A section of a configuration: a plugin by its name, with the settings that were given for it.

    attack: aach                              the same as {name: aach}
    attack: {name: aach, eps: 8/255}          fields of the plugin's frozen dataclass; all others keep its defaults
    Aach(eps=8 / 255)                         from Python: the plugin itself

The plugin's class is imported only when there is a setting to check or the plugin itself is wanted: plugins bring torch along,
and a misspelt name should be answered before that.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError

from crossattack.config._problems import Problems, explain, unknown_key
from crossattack.errors import CrossattackError, UnknownName
from crossattack.registry import Registry

RADII = ("norm", "eps", "text_eps", "edits", "perception")


@dataclass(frozen=True, eq=False)
class Section:
    """A plugin and its settings. `section.plugin` is the plugin itself; two sections are equal when their plugins are."""

    name: str | None  # None where there is only one to choose from
    load: Callable[[], Any]  # the plugin's class
    given: Mapping[str, Any]  # checked already
    leader: "Section | None" = None  # whose radii count where none are given here

    @cached_property
    def plugin(self) -> Any:
        """The frozen dataclass, built when first asked for."""
        made = self.load()
        led = {key: getattr(self.leader.plugin, key, None) for key in RADII} if self.leader else {}
        led = {key: value for key, value in led.items() if value is not None and key in known_fields(made)}
        return made(**{**led, **self.given})

    def resolved(self) -> dict[str, Any]:
        """All settings, given or not, as plain values; valid input again."""
        settings = self.plugin.resolved() if hasattr(self.plugin, "resolved") else asdict(self.plugin)
        return ({} if self.name is None else {"name": self.name}) | settings

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Section) and self.resolved() == other.resolved()

    def __hash__(self) -> int:
        return hash((self.name, self.plugin))


def chosen(value: object, registry: Registry, default: str, leader: Section | None = None) -> Section:
    """The section that a name or a table describes. `Problems` lists everything that is wrong with it."""
    table = as_table(value)
    name = str(table.pop("name", default))
    if not registry.knows(name):
        raise Problems([("", str(UnknownName(registry.kind, name, registry.names())))])

    def load() -> Any:
        return registry.load(name)

    return Section(name, load, checked(table, load), leader)


def as_table(value: object) -> dict[str, Any]:
    """A name, a table, a plugin or nothing -> a table of its own."""
    if isinstance(value, Section):
        value = value.plugin
    if is_dataclass(value) and not isinstance(value, type):
        name = {} if name_of(value).startswith("_") else {"name": name_of(value)}
        return name | {key: getattr(value, key) for key in known_fields(value)}
    if isinstance(value, str):
        return {"name": value}
    if value is None or isinstance(value, Mapping):
        return dict(value or {})
    raise Problems([("", f"a name or a table of settings wanted, {value!r} got.")])


def name_of(plugin: object) -> str:
    """What a plugin is called: its file's name."""
    return type(plugin).__module__.rpartition(".")[2]


def checked(table: Mapping[str, Any], load: Callable[[], Any]) -> dict[str, Any]:
    """The table's values as the plugin's fields take them; `Problems` where they are no such fields or no such values."""
    if not table:
        return {}
    made, found = load(), list[tuple[str, str]]()
    known = known_fields(made)
    found += [(str(key), unknown_key(str(key), known)) for key in table if key not in known]
    found += [(key, f"a finite number wanted, {value} got.") for key, value in table.items() if _is_endless(value)]
    numbers = {field.name for field in fields(made) if not isinstance(field.default, bool) and isinstance(field.default, int | float)}
    found += [(key, f"a number wanted, {value} got.") for key, value in table.items() if isinstance(value, bool) and key in numbers]
    try:
        plugin = TypeAdapter(made).validate_python({key: value for key, value in table.items() if key in known})
    except ValidationError as error:
        wrong = {key for key, _ in found}
        found += [(key, _hinted(key, says)) for key, says in explain(error.errors(include_url=False), lambda _: known) if key not in wrong]
    except CrossattackError as error:  # from the dataclass's own __post_init__
        found.append(("", str(error)))
    if found:
        raise Problems(found)
    return {key: getattr(plugin, key) for key in table}


def known_fields(plugin: Any) -> tuple[str, ...]:
    """Names of a plugin's settings."""
    return tuple(field.name for field in fields(plugin))


def moved(table: Mapping[str, Any], old: Iterable[str], new: Iterable[str]) -> dict[str, Any]:
    """The settings that outlive a change of plugin: those that both know, and those that neither does (to be complained about)."""
    lost = set(old) - set(new)
    return {key: value for key, value in table.items() if key not in lost}


def _hinted(key: str, says: str) -> str:
    return f"{says} Pixels are in [0, 1]: write 8/255." if key in ("eps", "alpha") else says


def _is_endless(value: object) -> bool:
    try:
        return isinstance(value, float | str) and not math.isfinite(float(value))
    except ValueError:
        return False
