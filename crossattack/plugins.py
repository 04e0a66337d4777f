"""Plugins by name, with their settings checked as a configuration checks them.

    attack("aach", steps=20, eps="4/255")       # Aach(eps=0.0157, steps=20, ...)
    dataset("scenes", pairs=400)
    attack("aach", setps=20)                    # ConfigError: attack.setps: no such key (did you mean 'steps'?) ...

The values are those of a configuration: a radius may be a number or "8/255", an objective a name or a table.
"""

from typing import Any

from crossattack.attacks import Attack
from crossattack.config._problems import Problems
from crossattack.config._section import chosen
from crossattack.datasets import Dataset
from crossattack.errors import ConfigError
from crossattack.objectives import Objective
from crossattack.registry import ATTACKS, DATASETS, OBJECTIVES, TARGETS, Registry


def attack(name: str, /, **settings: Any) -> Attack:
    """The attack of that name (`crossattack list attacks`), or the class at that dotted path; `ConfigError` says what is wrong."""
    made: Attack = _made(ATTACKS, "attack", name, settings)
    return made


def objective(name: str, /, **settings: Any) -> Objective:
    """What a gradient attack is to reach: `crossattack list objectives`."""
    made: Objective = _made(OBJECTIVES, "objective", name, settings)
    return made


def dataset(name: str, /, **settings: Any) -> Dataset:
    """A data set: `crossattack list datasets`. `load(progress)` fetches and builds it on first use."""
    made: Dataset = _made(DATASETS, "data", name, settings)
    return made


def target(name: str, /, **settings: Any) -> Any:
    """A recipe for a target: `crossattack list targets`. `load(train, device=..., progress=...)` trains it on first use."""
    return _made(TARGETS, "target", name, settings)


def _made(registry: Registry, kind: str, name: str, settings: dict[str, Any]) -> Any:
    try:
        return chosen({"name": name, **settings}, registry, name).plugin
    except Problems as problems:
        lines = [f"{'.'.join(filter(None, (kind, key)))}: {says}" for key, says in problems.found]
        raise ConfigError("\n".join(lines)) from problems
