"""A file's name is the plugin's name.

`attacks/mi_fgsm.py` holds the class `MiFgsm`, and that is all it takes: the command line's choices, the configuration's
schema, the conformance tests and the rows of `crossattack list` are read off the folder. Files that start with an
underscore are shared parts, not plugins.

An attack may also be a class of anybody's own module, by its dotted path: `--attack my_attack.MyAttack`.
"""

import importlib
import pkgutil
from dataclasses import dataclass, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from crossattack.errors import UnknownName

GIVEN = "given"  # what a configuration calls an object that a Python program handed over


@dataclass(frozen=True)
class Registry:
    """The plugins of one package: `Registry("attack", "crossattack.attacks").load("aach")` is the class `Aach`.

    unlisted: names that are understood and not offered; their files begin with an underscore. members: what a class of another
    module has to have to be such a plugin; nothing where only files of the package are.
    """

    kind: str
    package: str
    unlisted: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Names of all plugins, sorted."""
        first, *rest = self.package.split(".")
        folder = Path(str(files(first)), *rest)  # listed, not imported: names are known before torch is
        return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")))

    def knows(self, name: str) -> bool:
        """Whether `load` finds something under that name."""
        return name in self.names() or name in self.unlisted or self._elsewhere(name) is not None

    def load(self, name: str) -> Any:
        """The plugin's class; `UnknownName` lists the choices and the nearest."""
        if name in self.names() or name in self.unlisted:
            file = f"_{name}" if name in self.unlisted else name
            return getattr(importlib.import_module(f"{self.package}.{file}"), class_name(name))
        if (found := self._elsewhere(name)) is not None:
            return found
        raise UnknownName(self.kind, name, self.names())

    def name_of(self, plugin: object) -> str:
        """The name under which `load` finds the class of this plugin."""
        module, made = type(plugin).__module__, type(plugin).__qualname__
        return module.removeprefix(f"{self.package}.") if module.startswith(f"{self.package}.") else f"{module}.{made}"

    def summary(self, name: str) -> str:
        """First line of the plugin's docstring."""
        return str(self.load(name).__doc__).strip().splitlines()[0]

    def _elsewhere(self, name: str) -> Any:
        """The class at a dotted path, where it has what such a plugin has; None for anything else."""
        path, _, made = name.rpartition(".")
        if not self.members or not path or not all(part.isidentifier() for part in name.split(".")):
            return None
        try:
            found = getattr(importlib.import_module(path), made, None)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{path}.".startswith(f"{error.name}."):
                return None
            raise  # the module is there and misses another one
        good = isinstance(found, type) and is_dataclass(found) and all(hasattr(found, member) for member in self.members)
        return found if good else None


def class_name(name: str) -> str:
    """`mi_fgsm` -> `MiFgsm`."""
    return "".join(part.capitalize() for part in name.split("_"))


ATTACKS = Registry("attack", "crossattack.attacks", members=("family", "needs", "fit"))
DATASETS = Registry("data set", "crossattack.datasets", unlisted=(GIVEN,))
DEFENCES = Registry("defence", "crossattack.defences")
OBJECTIVES = Registry("objective", "crossattack.objectives")
TARGETS = Registry("target", "crossattack.targets", unlisted=(GIVEN,))
IMAGE_TOWERS = Registry("image tower", "surrogates.towers.images")
TEXT_TOWERS = Registry("text tower", "surrogates.towers.texts")
