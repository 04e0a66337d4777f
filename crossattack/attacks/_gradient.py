"""What every gradient attack shares: look at the items, fix the objective, descend, and hand back what a file can hold."""

import logging
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, unasked
from crossattack.attacks._aims import modality_of
from crossattack.attacks._balls import Norm
from crossattack.attacks._context import AttackContext, OpenEncoder
from crossattack.attacks._eyes import Eyes, open_eyes
from crossattack.attacks._fields import AnObjective, Eps, Hiding, Radius, Steps
from crossattack.attacks._ground import ground_of
from crossattack.attacks._jnd import hidden
from crossattack.attacks._moves import Draw, Moves, descend
from crossattack.objectives import Loss, Objective
from crossattack.objectives.triplet import TRIPLET

log = logging.getLogger("crossattack")


@runtime_checkable
class Radii(Protocol):
    """The settings that every gradient attack has: how far it goes, in how many steps of what length.

    norm, eps, alpha: of pictures; a step is a quarter of the radius where `alpha` is None. text_eps, text_alpha: of the
    weights of bags of words, each on its own. perception: with `mnd`, a pixel goes as far as its just noticeable difference
    allows, the most hidden one by the whole radius; of `linf` and of pictures only.
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
    @property
    def perception(self) -> Hiding: ...


@dataclass(frozen=True, kw_only=True)
class Strides:
    """The settings that all attacks of many steps declare alike, and nothing else; each adds those of its own parts."""

    family: ClassVar[Family] = "gradient"
    needs: ClassVar[Needs] = Needs(gradients=True)
    objective: AnObjective = TRIPLET
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    alpha: Radius | None = None  # a quarter of eps
    steps: Steps = 20
    text_eps: Eps = 0.1
    text_alpha: Eps = 0.02
    perception: Hiding = "none"


def follow(context: AttackContext, radii: Radii, objective: Objective, moves: Moves, eyes: Eyes | None = None) -> Perturb:
    """Descend the objective on the target where it is granted, else on a surrogate; starting at random where it has no slope."""
    eyes = eyes or open_eyes(context)
    if context.texts and not eyes.encoder.vocabulary:
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
    if not isinstance(items, Pictures) and not encoder.vocabulary:
        return unasked(items)
    ground = ground_of(items, encoder, context.device, eps=radii.eps, norm=radii.norm, text_eps=radii.text_eps)
    if radii.perception == "mnd" and ground.bags is None:
        ground = replace(ground, ball=hidden(ground.ball))
    alpha = radii.eps / 4 if radii.alpha is None else radii.alpha
    if ground.bags:
        alpha, moves = radii.text_alpha, moves.for_bags()
    draw = drawing(context, items)
    return ground.land(descend(lambda points: loss(ground.relaxed(points)), ground.ball, moves, draw, alpha=alpha, steps=radii.steps))


def drawing(context: AttackContext, items: Items, number: int = 0) -> Draw:
    """Uniform draws for these items, each from a generator of its own that goes on from call to call; number: of several for each item."""
    more = (number,) if number else ()
    generators = [context.streams.torch("moves", modality_of(items), item, *more) for item in items.ids]

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.stack([torch.rand(shape, generator=generator) for generator in generators]).to(context.device)

    return draw
