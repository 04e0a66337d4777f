"""A file's name is the plugin's name.

`attacks/mi_fgsm.py` holds the class `MiFgsm`, and that is all it takes: the command line's choices, the configuration's
schema, the conformance tests and the rows of `crossattack list` are read off the folder. Files that start with an
underscore are shared parts, not plugins.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from crossattack.errors import UnknownName


@dataclass(frozen=True)
class Registry:
    """The plugins of one package: `Registry("attack", "crossattack.attacks").load("aach")` is the class `Aach`."""

    kind: str
    package: str

    def names(self) -> tuple[str, ...]:
        """Names of all plugins, sorted."""
        first, *rest = self.package.split(".")
        folder = Path(str(files(first)), *rest)  # listed, not imported: names are known before torch is
        return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")))

    def load(self, name: str) -> Any:
        """The plugin's class; `UnknownName` lists the choices and the nearest."""
        if name not in self.names():
            raise UnknownName(self.kind, name, self.names())
        return getattr(importlib.import_module(f"{self.package}.{name}"), class_name(name))

    def summary(self, name: str) -> str:
        """First line of the plugin's docstring."""
        return str(self.load(name).__doc__).strip().splitlines()[0]


def class_name(name: str) -> str:
    """`mi_fgsm` -> `MiFgsm`."""
    return "".join(part.capitalize() for part in name.split("_"))


ATTACKS = Registry("attack", "crossattack.attacks")
DATASETS = Registry("data set", "crossattack.datasets")
OBJECTIVES = Registry("objective", "crossattack.objectives")
TARGETS = Registry("target", "crossattack.targets")
IMAGE_TOWERS = Registry("image tower", "surrogates.towers.images")
TEXT_TOWERS = Registry("text tower", "surrogates.towers.texts")
