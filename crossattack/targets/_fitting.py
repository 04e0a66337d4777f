"""How a recipe of two networks is carried out: the story is one for all of them, what differs is the lesson.

A tenth of the train pairs, of other groups, is put aside; two towers and their heads learn from the rest what the recipe's lesson
says of each batch; the epoch is chosen on the part put aside where the lesson sees labels anyway. The figures on it are told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor, nn

from crossattack.datasets import Pairs
from crossattack.encoding import take_texts
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.metrics.ranking import share_a_label
from crossattack.progress import Progress
from crossattack.streams import Streams
from crossattack.targets._quality import both_ways
from crossattack.targets._trained import validation_slice
from surrogates.clip import ClipNetwork
from surrogates.course import Course
from surrogates.network import HashingNetwork, network_for
from surrogates.training import Forward, Objective, Schedule, train

Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Bits = Annotated[int, Field(ge=1, le=1024)]
Epochs = Annotated[int, Field(ge=1)]
Batch = Annotated[int, Field(ge=2)]
Hidden = Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...], Field(min_length=1)]  # widths of layers before the last


@runtime_checkable
class Recipe(Protocol):
    """The settings that all recipes of two networks have."""

    @property
    def supervised(self) -> bool: ...
    @property
    def epochs(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def tower_lr(self) -> float: ...
    @property
    def seed(self) -> int: ...


@runtime_checkable
class TowerRecipe(Recipe, Protocol):
    """Those of towers by name."""

    @property
    def image_tower(self) -> str: ...
    @property
    def text_tower(self) -> str: ...
    @property
    def weights(self) -> str: ...


@dataclass(frozen=True)
class Lesson:
    """What a network learns of each batch. forward: see `surrogates.training.train`.

    along: what learns or is remembered together with the network and is left out of what is kept in the end: classifiers, adversaries,
    a `Memory`. The objective has no state elsewhere, so that a training can go on where it was killed.
    """

    objective: Objective
    forward: Forward | None = None
    along: nn.Module | None = None


@dataclass(frozen=True)
class Material:
    """What a lesson is made from: the pairs to learn, how long, and randomness of the recipe's own."""

    pairs: Pairs
    schedule: Schedule
    streams: Streams
    device: str

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self.schedule.per_epoch(len(self.pairs))

    def texts(self, batch: Int64[Tensor, " batch"]) -> Any:
        """The texts at these positions."""
        return take_texts(self.pairs.texts, batch)

    def relevant(self, batch: Int64[Tensor, " batch"]) -> Bool[Tensor, "batch batch"]:
        """Which of these share a label."""
        labels = self.pairs.labels[batch]
        return torch.from_numpy(share_a_label(labels, labels)).to(self.device)

    def labels(self, batch: Int64[Tensor, " batch"]) -> Float[Tensor, "batch labels"]:
        """Their labels, 0 or 1."""
        return self.pairs.labels[batch].float().to(self.device)


Network = TypeVar("Network", HashingNetwork, ClipNetwork)


def towers(recipe: TowerRecipe, length: int, hidden: Sequence[int] = ()) -> Callable[[Pairs], HashingNetwork]:
    """A fresh network of the recipe's towers, for these pairs. length: of what it makes of an item."""

    def built(learned: Pairs) -> HashingNetwork:
        names = {"image": recipe.image_tower, "text": recipe.text_tower}
        return network_for(learned.texts, **names, bits=length, weights=recipe.weights, hidden=hidden)

    return built


def fitted(
    name: str,
    recipe: Recipe,
    pairs: Pairs,
    build: Callable[[Pairs], Network],
    teach: Callable[[Network, Material], Lesson],
    *,
    device: str,
    progress: Progress,
    similarity: Similarity = Similarity.HAMMING,
    course: Course | None = None,
) -> tuple[Network, dict[str, Any]]:
    """The network that learned from nine tenths of the pairs, and its mAP on the last tenth.

    The last epoch is kept where the recipe sees no labels, as a better one would be chosen by them. course: to go on from where it
    was killed; None: kept nowhere.
    """
    course = course or Course()
    streams = Streams(recipe.seed)
    torch.manual_seed(streams.number(name, "initial weights"))
    learned, validation = validation_slice(pairs, streams.numpy(name, "validation"))
    network = build(learned).to(device)
    later = {key: getattr(recipe, key) for key in ("patience", "precision") if hasattr(recipe, key)}
    schedule = Schedule(epochs=recipe.epochs, batch=recipe.batch, lr=recipe.lr, tower_lr=recipe.tower_lr, **later)
    lesson = teach(network, Material(learned, schedule, streams, device))
    if lesson.along is not None:
        network.add_module("along", lesson.along.to(device))

    def quality() -> dict[str, float]:
        return both_ways(network, similarity, validation, validation, device)

    def score() -> float:
        return sum(quality().values()) / 2

    batches = streams.torch(name, "batches")
    with progress.stage(f"training {name}", recipe.epochs) as tick:
        chosen = score if recipe.supervised else None
        ways: dict[str, Any] = {"tick": tick, "score": chosen, "forward": lesson.forward, "course": course}
        train(network, learned.images, lesson.objective, schedule, batches, **ways)
    if lesson.along is not None:
        del network.along
    return network, {"validation": quality(), "curve": course.curve, "precision": course.precision}


def with_texts(name: str, train: Pairs) -> Pairs:
    """The same pairs; `UsageError` where they have no texts."""
    if not train.texts:
        raise UsageError(
            f"{name}: pictures with texts to learn from wanted, pictures alone got; choose `--data pictograms` or another target."
        )
    return train
