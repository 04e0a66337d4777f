"""Where settings come from: a YAML file, then `--set a.b=c`, then flags; later ones win.

YAML is read as data only, at most 1 MiB of it, without aliases (a few lines of them can stand for gigabytes) and without
keys that are said twice.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from crossattack.config._section import known_fields, moved
from crossattack.errors import ConfigError, nearest
from crossattack.registry import Registry

LARGEST = 1 << 20  # bytes of a configuration


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, less aliases and repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*) are not taken, write the value out", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        if twice := next((key for position, key in enumerate(keys) if key in keys[:position]), None):
            raise yaml.MarkedYAMLError(problem=f"the key {twice!r} is said twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The table that a file holds; an empty file is an empty table."""
    if not path.is_file():
        siblings = [str(file) for pattern in ("*.yaml", "*.yml") for file in path.parent.glob(pattern)]
        got = f"{path} is a folder" if path.is_dir() else f"no file at {path}"
        raise ConfigError(f"config: a YAML file wanted, {got}{nearest(str(path), siblings)}.")
    if (size := path.stat().st_size) > LARGEST:
        raise ConfigError(f"config: at most {LARGEST:,} bytes wanted, {path} has {size:,}.")
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"config: YAML wanted, {path} is not: {_one_line(error)}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"config: a table of settings wanted, {path} holds a {type(content).__name__}.")
    return {str(key): value for key, value in content.items()}


def parse(text: str) -> Any:
    """YAML -> plain values."""
    return yaml.load(text, _Loader)  # a SafeLoader


def read_override(text: str) -> tuple[str, Any]:
    """ "attack.eps=8/255" -> ("attack.eps", "8/255"); the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set: key=value wanted, {text!r} got; for example `--set attack.eps=8/255`.")
    try:
        return key.strip(), parse(value)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"--set {key}: a YAML value wanted, {value!r} got: {_one_line(error)}.") from error


def merge(tree: dict[str, Any], changes: Iterable[tuple[str, Any]], plugins: Mapping[str, tuple[Registry, str]]) -> dict[str, Any]:
    """The tree with these changes made, choices of plugins first, so that settings always fall on the plugin that was chosen.

    plugins: for each section its registry and its default.
    """
    named = [(f"{key}.name" if key in plugins and isinstance(value, str) else key, value) for key, value in changes]
    for key, value in sorted(named, key=lambda change: not change[0].endswith(".name")):
        table, last = tree, key.split(".")[-1]
        for part in key.split(".")[:-1]:
            inner = table.get(part)
            table[part] = {"name": inner} if isinstance(inner, str) else dict(inner) if isinstance(inner, Mapping) else {}
            table = table[part]
        section = key.removesuffix(".name")
        if last == "name" and section in plugins:
            kept = _renamed(table, str(value), *plugins[section])
            table.clear()
            table.update(kept)
        table[last] = value
    return tree


def _renamed(table: Mapping[str, Any], name: str, registry: Registry, default: str) -> dict[str, Any]:
    """What stays of a section when another plugin is chosen for it: what both know."""
    old, rest = str(table.get("name", default)), {key: value for key, value in table.items() if key != "name"}
    if not rest or old == name or not (registry.knows(old) and registry.knows(name)):
        return rest
    return moved(rest, known_fields(registry.load(old)), known_fields(registry.load(name)))


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} (line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1})"
    return "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
