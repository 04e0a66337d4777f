"""What there is to choose from: names and first lines of docstrings, read off the folders."""

import ast
from importlib.resources import files
from pathlib import Path

from crossattack.errors import UnknownName

FOLDERS = {
    "attacks": ("crossattack.attacks",),
    "objectives": ("crossattack.objectives",),
    "targets": ("crossattack.targets",),
    "defences": ("crossattack.defences",),
    "surrogates": ("surrogates.towers.images", "surrogates.towers.texts"),
    "datasets": ("crossattack.datasets",),
    "metrics": ("crossattack.metrics",),
}


NAMED = {"surrogates": ("surrogates.towers", "_torchvision", "USUAL")}  # a table of more names: package, file, what it is called there
MORE = {"surrogates": "Any other classification network of torchvision goes by its name too, as an image tower."}


def catalogue(kind: str) -> list[tuple[str, str]]:
    """(name, what it is) of every file of that kind, and of what goes by a name besides. Nothing is imported, so it takes no time."""
    if kind not in FOLDERS:
        raise UnknownName("catalogue", kind, FOLDERS)
    return [(file.stem, _first_line(file)) for package in FOLDERS[kind] for file in _files(package)] + _named(*NAMED.get(kind, ()))


def _named(package: str = "", stem: str = "", table: str = "") -> list[tuple[str, str]]:
    """The entries of a table that stands in one of the package's own files."""
    if not package:
        return []
    module = ast.parse(_folder(package).joinpath(f"{stem}.py").read_text(encoding="utf-8"))
    (found,) = (node.value for node in module.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == table)
    return list(ast.literal_eval(found).items())


def _files(package: str) -> list[Path]:
    """The plugins' files, found without importing them."""
    return sorted(file for file in _folder(package).glob("*.py") if not file.name.startswith("_"))


def _folder(package: str) -> Path:
    first, *rest = package.split(".")
    return Path(str(files(first)), *rest)


def _first_line(file: Path) -> str:
    """The first line of the plugin's docstring, or of the file's where it holds none (metrics)."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    wanted = file.stem.replace("_", "")
    plugin = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name.lower() == wanted]
    text = ast.get_docstring(plugin[0] if plugin else module) or ""
    return text.partition("\n")[0]
