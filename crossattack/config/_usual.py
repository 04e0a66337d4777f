"""What usually goes with what: a data set of pictures alone with a target of features, and that with attacks on pictures.

A target's class says in `usual` what it is run with unless the configuration says otherwise: plugins of other sections by name,
settings by dotted key.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from crossattack.config._section import Section
from crossattack.registry import DATASETS, TARGETS, Registry

OF_PICTURES = "gem"  # the target for data without texts


def as_usual(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with what its data set and its target usually go with filled in."""
    filled = dict(tree)
    if not getattr(_chosen(filled.get("data"), DATASETS), "has_texts", True):
        given = filled.get("target") or {}
        if isinstance(given, Mapping):
            filled["target"] = {"name": OF_PICTURES, **given}
    for key, value in getattr(_chosen(filled.get("target"), TARGETS), "usual", {}).items():
        section, _, setting = key.partition(".")
        given = filled.get(section)
        if given is None:
            filled[section] = {setting: value} if setting else value
        elif isinstance(given, Mapping):
            filled[section] = {setting or "name": value, **given}
    return filled


def _chosen(section: object, registry: Registry) -> Any:
    """The plugin's class that a section names; None where it names none that exists."""
    if is_dataclass(section) and not isinstance(section, type | Section):
        return type(section)
    name = section if isinstance(section, str) else section.get("name") if isinstance(section, Mapping) else getattr(section, "name", None)
    return registry.load(str(name)) if registry.knows(str(name)) else None
