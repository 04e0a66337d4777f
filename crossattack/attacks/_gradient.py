"""What every gradient attack shares: look at the items, fix the objective, descend, and hand back what a file can hold."""

import logging
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.attacks import Items, Perturb, Perturbed, Pictures, Status, Words
from crossattack.attacks._aims import modality_of
from crossattack.attacks._bags import as_bags
from crossattack.attacks._balls import Norm, ball_of_bags, ball_of_pictures, to_bytes
from crossattack.attacks._context import AttackContext, OpenEncoder
from crossattack.attacks._eyes import Eyes, open_eyes
from crossattack.attacks._moves import Draw, Moves, descend
from crossattack.encoding import as_floats
from crossattack.objectives import Loss, Objective
from surrogates.texts import Bags

log = logging.getLogger("crossattack")


@runtime_checkable
class Radii(Protocol):
    """The settings that every gradient attack has: how far it goes, in how many steps of what length.

    norm, eps, alpha: of pictures; a step is a quarter of the radius where `alpha` is None. text_eps, text_alpha: of the
    weights of bags of words, each on its own.
    """

    @property
    def norm(self) -> Norm: ...
    @property
    def eps(self) -> float: ...
    @property
    def alpha(self) -> float | None: ...
    @property
    def steps(self) -> int: ...
    @property
    def text_eps(self) -> float: ...
    @property
    def text_alpha(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Stride:
    """Radii of an attack whose steps follow from them."""

    norm: Norm
    eps: float
    alpha: float
    steps: int
    text_eps: float
    text_alpha: float


def follow(context: AttackContext, radii: Radii, objective: Objective, moves: Moves, eyes: Eyes | None = None) -> Perturb:
    """Descend the objective on the target where it is granted, else on a surrogate; starting at random where it has no slope."""
    eyes = eyes or open_eyes(context)
    if not eyes.encoder.vocabulary:
        log.warning("texts stay as they are: the text network followed reads no bags of words; `tags` and `tokens` edit words.")
    if objective.flat_start:
        moves = moves.from_anywhere()

    def perturb(items: Items) -> Perturbed:
        return moved(context, eyes.encoder, items, objective.of(eyes.look(items)), radii, moves)

    return perturb


def moved(context: AttackContext, encoder: OpenEncoder, items: Items, loss: Loss, radii: Radii, moves: Moves) -> Perturbed:
    """The items after a descent of this loss, inside their balls as a file holds them; nothing was asked about them.

    Texts stay as they are where the encoder reads no bags of words.
    """
    status, draw = (Status.UNVERIFIED,) * len(items.ids), drawing(context, items)
    if isinstance(items, Pictures):
        ball = ball_of_pictures(as_floats(items.values.to(context.device)), radii.eps, radii.norm)
        alpha = radii.eps / 4 if radii.alpha is None else radii.alpha
        found = descend(lambda images: loss(encoder.encode_images(images)), ball, moves, draw, alpha=alpha, steps=radii.steps)
        return Perturbed(Pictures(items.ids, to_bytes(found, ball)), status)
    if not encoder.vocabulary:
        return Perturbed(items, status)  # it reads no bags of words
    clean, known = as_bags(items.values, encoder.vocabulary), len(encoder.vocabulary)

    def value(weights: Float[Tensor, "items words"]) -> Float[Tensor, " items"]:
        return loss(encoder.encode_texts(Bags(encoder.vocabulary, weights)))

    bags = ball_of_bags(clean.weights[:, :known].to(context.device), radii.text_eps)
    found = descend(value, bags, moves.for_bags(), draw, alpha=radii.text_alpha, steps=radii.steps)
    # Words that the encoder does not know keep their weight, for the sake of a reader who knows them.
    weights = torch.cat([found.cpu(), clean.weights[:, known:]], dim=1)
    return Perturbed(Words(items.ids, Bags(clean.words, weights)), status, realisable=False)


def drawing(context: AttackContext, items: Items) -> Draw:
    """Uniform draws for these items, each from a generator of its own that goes on from call to call."""
    generators = [context.streams.torch("moves", modality_of(items), item) for item in items.ids]

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.stack([torch.rand(shape, generator=generator) for generator in generators]).to(context.device)

    return draw
