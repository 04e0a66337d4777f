"""Imports point down only, the rule of the house: a module imports what stands on a lower floor, and its own package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    "errors codes",
    "streams progress cache sqlite machine stored",
    "common registry metrics fingerprint tensorboard leave asides",
    "ledger datasets trainings findings",
    "endpoint checks exchange",
    "encoding code_measures",
    "catalogue",
    "targets",
    "oracle mining index objectives defences",
    "attacks",
    "items rankings",
    "perturbing",
    "config evaluation goals given quality",
    "trials sentences deployed",
    "evidence service plugins",
    "results run_folder doors run_codes",
    "experiment",
    "report serve replay run_folder perturb",
    "one_run",
    "sweep calls",
    "run cli",  # two doors to the same stairs: they alone may open each other
    "__init__",  # the front of the house: it names what is inside, and nothing inside names it
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
CLOSED_TO_ATTACKS = {"targets", "datasets", "Referee", "TARGETS", "DATASETS"}  # the last two are registries of them


def imported(source: str, package: str) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever in it, under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            yield from (".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names)


def room_of(module: str) -> str:
    """A module of that name, or a part of it: `_ledger_file` is in the room of `ledger`."""
    return module[1:].split("_")[0] if module.startswith("_") and module[1:2] != "_" else module


def breaches(path: Path, source: str) -> list[str]:
    """Imports of the module at `path` (from the root of the tree) that point up, each naming both ends."""
    house, room = path.parts[0], room_of(path.with_suffix("").parts[1])
    ours = [name for name in imported(source, ".".join(path.parts[:-1])) if name.split(".")[0] == "crossattack"]
    if house == "surrogates":
        return [f"{path} imports {name}: surrogates know nothing of crossattack" for name in ours]
    if room not in FLOOR:
        return [f"{path} stands on no floor: give {room!r} one in {Path(__file__).name}"]
    found = []
    for name in ours:
        other = room_of([*name.split("."), ""][1])
        if other != room and not {other, room} <= {"run", "cli"} and FLOOR.get(other, len(FLOORS)) >= FLOOR[room]:
            found.append(f"{path} imports {name}: {other!r} does not stand below {room!r}")
        if room == "attacks" and CLOSED_TO_ATTACKS.intersection(name.split(".")[1:]):
            found.append(f"{path} imports {name}: attacks see the target through the oracle only")
    return found + [
        f"{path}:{node.lineno} names the Referee, which is closed to attacks"
        for node in ast.walk(ast.parse(source))
        if room == "attacks" and isinstance(node, ast.Attribute) and node.attr == "Referee"
    ]


def test_imports_point_down_only() -> None:
    modules = [path for house in ("crossattack", "surrogates") for path in sorted((ROOT / house).rglob("*.py"))]
    assert len(modules) > 30
    found = [line for path in modules for line in breaches(path.relative_to(ROOT), path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        ("crossattack/codes.py", "from crossattack.oracle import Oracle", "'oracle' does not stand below 'codes'"),
        ("crossattack/config.py", "def f():\n    from crossattack import cli", "'cli' does not stand below 'config'"),
        ("crossattack/mining.py", "import crossattack.oracle", "'oracle' does not stand below 'mining'"),
        ("crossattack/metrics/ranking.py", "from ..ledger import Ledger", "imports crossattack.ledger.Ledger"),
        ("crossattack/attacks/a.py", "if TYPE_CHECKING:\n    from crossattack.targets import Target", "through the oracle only"),
        ("crossattack/attacks/a.py", "from crossattack.oracle import Referee", "through the oracle only"),
        ("crossattack/attacks/a.py", "from crossattack import oracle\noracle.Referee", "closed to attacks"),
        ("crossattack/attacks/a.py", "from crossattack import *", "does not stand below"),
        ("crossattack/_ledger_file.py", "import crossattack.endpoint", "'endpoint' does not stand below 'ledger'"),
        ("crossattack/report/page.py", "from crossattack.serve import serve", "'serve' does not stand below 'report'"),
        ("crossattack/novelty.py", "", "stands on no floor"),
        ("surrogates/towers/images/a.py", "import crossattack.codes", "know nothing of crossattack"),
    ],
)
def test_an_import_that_points_up_is_named(path: str, source: str, said: str) -> None:
    assert said in " | ".join(breaches(Path(path), source))


def test_imports_that_point_down_are_left_alone() -> None:
    fine = "import torch\nfrom crossattack.oracle import Oracle\nfrom ._context import AttackContext\nfrom surrogates.texts import Bags"
    assert not breaches(Path("crossattack/attacks/a.py"), fine)
