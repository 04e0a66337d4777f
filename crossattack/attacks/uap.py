"""Universal perturbation: one change for all pictures, and one for all texts."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, Words
from crossattack.attacks._aims import modality_of
from crossattack.attacks._balls import Ball
from crossattack.attacks._context import AttackContext
from crossattack.attacks._eyes import Eyes, open_eyes
from crossattack.attacks._fields import AnObjective, Eps, Norm, Radius, Steps
from crossattack.attacks._ground import Ground, ground_of
from crossattack.attacks._moves import Moves, descend
from crossattack.cache import whole_file
from crossattack.encoding import take_texts
from crossattack.errors import UsageError
from crossattack.ledger import Modality
from crossattack.objectives import Loss
from crossattack.objectives.triplet import TRIPLET

log = logging.getLogger("crossattack")


@dataclass(frozen=True, kw_only=True)
class Uap:
    """One perturbation, learned on the attacker's own pictures, that is added to every picture; one for bags of words too.

    Whoever has it attacks any picture for nothing. It is learned by signed steps of `alpha` down the mean slope of the
    objective over a batch of own items, with momentum, each time projected into the ball; the batches take turns. The
    network is the target where it is granted, else a surrogate; the objective sees own items as if they were attacked.
    The change lies in the run's folder under `checkpoints`, where a resumed run finds it. pairs: own pairs that it learns
    from, at most.

    Differs from the paper: of Moosavi-Dezfooli et al., signed steps on an objective of retrieval in place of one DeepFool step
    for each item that still resists; of Li et al., any objective in place of their ranking losses over clusters, one size of
    picture, and a fixed step that neither fades nor is halved where the change saturates. The one for texts moves weights of
    a bag of words, which nobody could type.

    Paper: Moosavi-Dezfooli, Fawzi, Fawzi, Frossard, "Universal Adversarial Perturbations", CVPR 2017; Li, Ji, Liu, Hong, Gao,
    Tian, "Universal Perturbation Attack Against Image Retrieval", ICCV 2019.
    """

    family: ClassVar[Family] = "classic"
    needs: ClassVar[Needs] = Needs(gradients=True)
    objective: AnObjective = TRIPLET
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    alpha: Radius | None = None  # a tenth of eps
    text_eps: Eps = 0.1
    text_alpha: Eps = 0.01
    steps: Steps = 200
    decay: Annotated[float, Field(ge=0)] = 1.0
    pairs: Annotated[int, Field(ge=1)] = 512
    batch: Annotated[int, Field(ge=1)] = 64

    def __post_init__(self) -> None:
        if getattr(self.objective, "targeted", False):
            says = "one change cannot make each item resemble its own wanted pair; choose one that leaves"
            raise UsageError(f"an objective that is not targeted wanted by uap, {self.objective.name} got: {says}.")

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; learn both changes; a batch costs nothing."""
        eyes = open_eyes(as_if_attacked(context))
        key = hashlib.sha256(f"{self} {context.white_box is not None}".encode()).hexdigest()[:12]
        path = context.folder / "checkpoints" / f"uap-{key}.safetensors"
        changes = _finished(path) or self._learned(context, eyes, path)

        def perturb(items: Items) -> Perturbed:
            ground, change = self._ground(items, eyes, context.device), changes[modality_of(items)].to(context.device)
            return ground.land(ground.ball.project(ground.ball.clean + change))

        return perturb

    def _learned(self, context: AttackContext, eyes: Eyes, path: Path) -> Mapping[str, Tensor]:
        """One change a modality, kept at `path`."""
        order = torch.randperm(len(context.images), generator=context.streams.torch("uap", "pairs"))[: self.pairs]
        batches = [(tuple(few.tolist()), few) for few in torch.split(order, self.batch)]
        sides: dict[Modality, list[Items]] = {"images": [Pictures(ids, context.images[few]) for ids, few in batches]}
        if context.texts:
            sides["texts"] = [Words(ids, take_texts(context.texts, few)) for ids, few in batches]
        alphas: dict[Modality, float | None] = {"images": self.alpha, "texts": self.text_alpha}
        start: Literal["clean", "uniform"] = "uniform" if self.objective.flat_start else "clean"
        changes = dict[str, Tensor]()
        with context.progress.stage("learning one change for all", len(sides) * self.steps) as tick:
            for side, items in sides.items():
                losses = [self.objective.of(eyes.look(few)) for few in items]
                grounds, draw = [self._ground(few, eyes, context.device) for few in items], context.streams.torch("uap", side)
                moves, alpha = Moves(start=start, decay=self.decay), alphas[side]
                changes[side] = universal(grounds, losses, moves, draw, alpha=alpha, steps=self.steps, tick=partial(tick, 1, side)).cpu()
        with whole_file(path) as file:
            save_file({side: change.contiguous() for side, change in changes.items()}, file)
        return changes

    def _ground(self, items: Items, eyes: Eyes, device: str) -> Ground:
        return ground_of(items, eyes.encoder, device, eps=self.eps, norm=self.norm, text_eps=self.text_eps)


def universal(
    grounds: Sequence[Ground],
    losses: Sequence[Loss],
    moves: Moves,
    generator: torch.Generator,
    *,
    alpha: float | None,
    steps: int,
    tick: Callable[[], None] = lambda: None,
) -> Float[Tensor, "1 ..."]:
    """One change, of the shape of one item, that lowers the mean loss over all grounds, which take turns; `alpha` None: a tenth of eps."""
    ball, turns = _around_nothing(grounds[0].ball), cycle(zip(grounds, losses, strict=True))

    def value(change: Tensor) -> Float[Tensor, " one"]:
        ground, loss = next(turns)
        tick()
        # The slope at the clipped items: differentiating the clipping would lose every pixel and word that is 0 or 1.
        clipped = (ground.ball.clean + change.detach()).clamp(0, 1)
        return loss(ground.relaxed(clipped + change - change.detach())).mean()[None]

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.rand(1, *shape, generator=generator).to(ball.clean.device)

    return descend(value, ball, moves, draw, alpha=ball.eps / 10 if alpha is None else alpha, steps=steps)


def as_if_attacked(context: AttackContext) -> AttackContext:
    """The attacker's own pairs in the place of the attacked items: item i is own pair i."""
    everything, box = torch.arange(len(context.images)), context.white_box
    box = box and replace(box, query_labels=box.own_labels)
    return replace(context, attacked=len(everything), wanted={"images": everything, "texts": everything}, white_box=box)


def _around_nothing(ball: Ball) -> Ball:
    """The ball of changes of one item."""
    nothing = torch.zeros_like(ball.clean[:1])
    reach = nothing + (ball.eps if ball.norm == "linf" else 1.0)
    return Ball(nothing, -reach, reach, ball.eps, ball.norm)


def _finished(path: Path) -> Mapping[str, Tensor] | None:
    """The changes that an interrupted run learned; None where there are none, or the file is damaged."""
    if not path.exists():
        return None
    try:
        found: Mapping[str, Tensor] = load_file(path)
        return found
    except (OSError, SafetensorError):
        log.warning("%s is damaged; learning the change again.", path)
        return None
