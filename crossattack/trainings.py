"""How the trainings of a run went: the loss of each epoch, and the score on what was put aside where one is taken.

    watched = watched_training(progress, folder, target)      # a Progress that writes down what "training ..." stages tell
    trainings(folder)["surrogate"][0]["loss"]

Each is kept in a file of the run's folder as soon as it is over, `surrogate.training.json` beside `surrogate.safetensors`, so that a
run that is gone on with tells of it as well.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from crossattack.asides import asides, put_aside
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
    put_aside(folder, name, SUFFIX, curve)


def trainings(folder: Path) -> Mapping[str, Curve]:
    """All that are kept, by what was trained, the target first; without those that cannot be read."""
    found = {name: curve for name, curve in asides(folder, SUFFIX).items() if isinstance(curve, list)}
    return {name: found[name] for name in sorted(found, key=lambda name: name != "target")}


def _called(name: str) -> str:
    return "validation" if name == "score" else name
