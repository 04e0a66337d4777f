"""A surrogate: an image/text hashing network that learned what the oracle answered."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float, Int8, Int64
from torch import Tensor

from crossattack.attacks._answers import Answers, CodeAnswers, FeatureAnswers
from crossattack.attacks._learning import from_codes, from_lists
from crossattack.attacks._recipe import SurrogateRecipe as SurrogateRecipe
from crossattack.cache import whole_file
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.errors import TrainingFailed
from crossattack.progress import Progress
from crossattack.streams import Streams
from surrogates.features import FeatureNetwork
from surrogates.features import from_file as features_from_file
from surrogates.features import to_bytes as features_to_bytes
from surrogates.network import HashingNetwork, from_file, network_for, to_bytes
from surrogates.training import Forward, Objective, Schedule, train

log = logging.getLogger("crossattack")


@dataclass(frozen=True)
class Surrogate:
    """The trained network, the answers it learned from, and codes of the items that an attack may aim at.

    Those are the attacker's own pairs under the codes that came back; where only lists came back, the items that these
    showed, under the surrogate's codes.
    """

    network: HashingNetwork
    answers: Answers
    image_codes: Int8[Tensor, "images bits"]
    text_codes: Int8[Tensor, "texts bits"]


@dataclass(frozen=True)
class FeatureSurrogate:
    """The trained network of a target of features, and the attacker's own pictures under the features that came back."""

    network: FeatureNetwork
    answers: FeatureAnswers


@dataclass(frozen=True)
class Taught:
    """A lesson: the loss of a batch, what makes the outputs that it looks at (None: `project_images`), and how far weights are averaged."""

    objective: Objective
    outputs: Forward | None = None
    averaging: float = 0.0


Front: TypeAlias = Callable[[Tensor], Tensor] | None  # of pictures: what the target is known to put before its network
Lesson: TypeAlias = Callable[[HashingNetwork, Answers, SurrogateRecipe, Schedule, torch.Generator], Taught]


def triplets(network: HashingNetwork, answers: Answers, recipe: SurrogateRecipe, schedule: Schedule, generator: torch.Generator) -> Taught:
    """The usual lesson: triplets mined from codes, or from lists."""
    if isinstance(answers, CodeAnswers):
        return Taught(from_codes(network, answers, recipe, generator))
    return Taught(from_lists(network, answers, recipe, schedule, generator))


def fit_features(
    answers: FeatureAnswers,
    recipe: SurrogateRecipe,
    streams: Streams,
    device: str,
    progress: Progress,
    path: Path,
    front: Front = None,
) -> FeatureSurrogate:
    """A picture network that learns to make the features that came back: the mean of 1 - their cosine; kept at `path`."""
    if path.exists():
        try:
            network = features_from_file(path).to(device)
            network.front = front
            return FeatureSurrogate(network, answers)
        except ValueError as error:
            log.warning("%s; training again.", error)
    torch.manual_seed(streams.number(path.stem, "initial weights"))
    network = FeatureNetwork(recipe.image_tower, weights=recipe.weights, dim=answers.features.shape[1]).to(device)
    network.front = front
    wanted = torch.nn.functional.normalize(answers.features, dim=1).to(device)

    def objective(outputs: Float[Tensor, "batch dim"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        found: Tensor = 1 - torch.nn.functional.cosine_similarity(outputs, wanted[batch.to(device)]).mean()
        return found

    schedule = schedule_of(recipe, len(answers.images))
    with progress.stage(f"training {path.stem}", schedule.epochs) as tick, in_a_line(path.stem):
        train(network, answers.images, objective, schedule, streams.torch(path.stem, "batches"), tick=tick)
    with whole_file(path) as file:
        file.write_bytes(features_to_bytes(network))
    return FeatureSurrogate(network, answers)


@contextmanager
def in_a_line(name: str) -> Iterator[None]:
    """A loss that is no longer finite, said to a person."""
    try:
        yield
    except FloatingPointError as error:
        raise TrainingFailed(f"training {name}: {error}") from error


def schedule_of(recipe: SurrogateRecipe, items: int) -> Schedule:
    """How long and how fast a surrogate learns from so many items."""
    epochs = max(recipe.epochs, -(-recipe.least_steps // max(1, items // recipe.batch)))
    return Schedule(epochs=epochs, batch=recipe.batch, lr=recipe.lr, tower_lr=recipe.tower_lr)


def fit_surrogate(
    answers: Answers,
    recipe: SurrogateRecipe,
    streams: Streams,
    device: str,
    progress: Progress,
    path: Path,
    lesson: Lesson = triplets,
    front: Front = None,
) -> Surrogate:
    """Train on triplets mined in both directions, plus quantisation (see `_learning`), or on another lesson; kept at `path`.

    front: what its pictures go through, in training and after.

    Paper: Li, Gao, Deng, Liu, Huang, "Adversarial Attack on Deep Cross-Modal Hamming Retrieval", ICCV 2021. Differs from
    the paper: its margin, weights and networks are not known to us; the two modalities are trained together.
    """
    if path.exists():
        try:
            network = from_file(path).to(device)
            network.front = front
            return _aimed(network, answers, device)
        except ValueError as error:
            log.warning("%s; training again.", error)
    torch.manual_seed(streams.number(path.stem, "initial weights"))
    if isinstance(answers, CodeAnswers):
        bits, words = answers.image_codes.shape[1], answers.texts
    else:
        bits, words = recipe.bits, [*answers.texts, *answers.shown_texts]
    network = network_for(words, image=recipe.image_tower, text=recipe.text_tower, bits=bits, weights=recipe.weights).to(device)
    network.front = front
    generator = streams.torch(path.stem, "batches")
    schedule = schedule_of(recipe, len(answers.images))
    taught = lesson(network, answers, recipe, schedule, generator)
    schedule = replace(schedule, averaging=taught.averaging)
    with progress.stage(f"training {path.stem}", schedule.epochs) as tick, in_a_line(path.stem):
        train(network, answers.images, taught.objective, schedule, generator, tick=tick, forward=taught.outputs)
    with whole_file(path) as file:
        file.write_bytes(to_bytes(network))
    return _aimed(network, answers, device)


def _aimed(network: HashingNetwork, answers: Answers, device: str) -> Surrogate:
    if isinstance(answers, CodeAnswers):
        return Surrogate(network, answers, answers.image_codes, answers.text_codes)
    images = harden(encode(network, "images", answers.shown_images, device=device))
    return Surrogate(network, answers, images, harden(encode(network, "texts", answers.shown_texts, device=device)))
