"""How the trainings of a run went: the loss of each epoch, and the score on what was put aside where one is taken.

    watched = watched_training(progress, folder, target)      # a Progress that writes down what "training ..." stages tell
    trainings(folder)["surrogate"][0]["loss"]

Each is kept in a file of the run's folder as soon as it is over, `surrogate.training.json` beside `surrogate.safetensors`, so that a
run that is gone on with tells of it as well.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from crossattack.cache import whole_file
from crossattack.progress import Progress, Tick

SUFFIX = ".training.json"
TITLE = "training "
Curve: TypeAlias = list[dict[str, float]]  # an entry an epoch: `loss`, and `validation` where there is one


@dataclass(frozen=True)
class Watched:
    """A progress that also keeps what trainings tell."""

    progress: Progress
    folder: Path

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Tick]:
        curve: Curve = []
        with self.progress.stage(title, total) as tick:

            def watched(steps: int, note: str = "", /, **values: float | int) -> None:
                tick(steps, note, **values)
                if "loss" in values:
                    curve.append({name: values[name] for name in ("loss", "validation") if name in values})

            yield watched
        if title.startswith(TITLE) and curve:
            keep(self.folder, title.removeprefix(TITLE), curve)


def watched_training(progress: Progress, folder: Path, target: Any) -> Progress:
    """The progress to train surrogates under. What the target's manifest says of its own training is kept at once."""
    facts = getattr(target, "facts", None)
    if told := facts.get("curve") if isinstance(facts, Mapping) else None:  # a model that somebody brings may mean anything by the word
        keep(folder, "target", [{_called(name): value for name, value in epoch.items()} for epoch in told])
    return Watched(progress, folder)


def keep(folder: Path, name: str, curve: Curve) -> None:
    """Write down how the training of that name went."""
    with whole_file(folder / f"{name}{SUFFIX}") as file:
        file.write_text(json.dumps(curve, indent=1) + "\n", encoding="utf-8")


def trainings(folder: Path) -> Mapping[str, Curve]:
    """All that are kept, by what was trained, the target first; without those that cannot be read."""
    found = dict[str, Curve]()
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (path.name != f"target{SUFFIX}", path.name)):
        with suppress(OSError, ValueError):
            found[path.name.removesuffix(SUFFIX)] = json.loads(path.read_text(encoding="utf-8"))
    return {name: curve for name, curve in found.items() if isinstance(curve, list)}


def _called(name: str) -> str:
    return "validation" if name == "score" else name
