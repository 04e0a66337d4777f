"""Performing: all attacked pictures together, asked about on their way, round by round, by surrogates that learn as they go."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import softplus

from crossattack.attacks import Pictures, Status
from crossattack.attacks._audition import Terms, points_of
from crossattack.attacks._cast import Bytes, Cast
from crossattack.attacks._context import AttackContext
from crossattack.attacks._surrogate import in_a_line
from crossattack.attacks._verdict import SHARE
from crossattack.codes import Codes
from crossattack.errors import BudgetRefused
from surrogates.training import Schedule, train

OLD = 0.5  # pictures that were learned before, for each new one


@runtime_checkable
class Rounds(Terms, Protocol):
    """The same, with the points that a round asks about, and the passes over what it taught."""

    @property
    def asked(self) -> int: ...
    @property
    def epochs(self) -> int: ...


@dataclass
class Memory:
    """Changed pictures that were asked about, and what came back, oldest first; with the clean ones, which are asked about once."""

    images: Bytes
    codes: Codes

    def lesson(self, images: Bytes, codes: Codes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """These, with some of what was known before, drawn at random; from now on they are known."""
        old = torch.randint(len(self.images), (round(OLD * len(images)),), generator=generator)
        found = torch.cat([images, self.images[old]]), torch.cat([codes, self.codes[old]])
        self.images, self.codes = torch.cat([self.images, images]), torch.cat([self.codes, codes])
        return found


def learn(context: AttackContext, cast: Cast, name: str, images: Bytes, codes: Codes, epochs: int) -> None:
    """Every surrogate goes on learning, from these pictures as they are: neither moved nor mirrored, as the change is not either."""
    batch, lr = min(context.recipe.batch, len(images)), context.recipe.tower_lr
    schedule = Schedule(epochs=epochs, batch=batch, lr=lr, tower_lr=lr, shift=0, flip=False)
    wanted = codes.float().to(context.device)

    def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        found: Tensor = softplus(-wanted[batch.to(wanted.device)] * outputs).mean()
        return found

    for number, network in enumerate(cast.networks):
        network.requires_grad_(True)
        stream = context.streams.torch("performing", name, number)
        with context.progress.stage(f"training {name}", schedule.epochs) as tick, in_a_line(name):
            train(network, images, objective, schedule, stream, tick=tick)
        network.requires_grad_(False)


@dataclass(frozen=True)
class Performance:
    """The best of each attacked picture, and how it ended by the answers."""

    images: Bytes
    status: tuple[Status, ...]


def performed(context: AttackContext, cast: Cast, memory: Memory, clean: Bytes, terms: Rounds, most: int) -> Performance:
    """At most so many queries a picture: its clean code, then `terms.asked` points a round on the way from its best so far.

    The best is the one whose code is farthest from the clean one; of as far ones, the last.
    """
    ids = tuple(range(len(clean)))
    pictures, own = Pictures(ids, clean), context.oracle.query_images(clean, phase="attack", items=ids).codes
    best, far, left = clean, torch.zeros(len(clean)), most - 1
    exhausted = False
    while left > 0 and not exhausted:
        first = left == most - 1
        points = points_of(context, cast, pictures, best, own.float(), terms, max(terms.steps, terms.asked) if first else terms.asked)
        shown, codes = points[-min(terms.asked, left) :], list[Codes]()
        with context.progress.stage("asking on the way", len(shown) * len(clean)) as tick, suppress(BudgetRefused):
            for point in shown:
                codes.append(context.oracle.query_images(point, phase="attack", items=ids).codes)
                tick(len(clean), queries_left=context.oracle.remaining)
        exhausted = len(codes) < len(shown)  # by a service that bills repeated attempts
        for point, code in zip(shown, codes, strict=False):
            turned = (code != own).float().mean(1)
            farther = turned >= far
            best, far = torch.where(farther[:, None, None, None], point, best), torch.where(farther, turned, far)
        left -= len(shown)
        if left > 0 and not exhausted:
            changed, found = torch.cat(shown), torch.cat(codes)
            cast = cast.judged(clean.repeat(len(shown), 1, 1, 1), changed, (found != own.repeat(len(shown), 1)).float())
            lesson = memory.lesson(changed, found, context.streams.torch("lesson", left))
            learn(context, cast, f"performance-{most - 1 - left}", *lesson, terms.epochs)
    short = Status.EXHAUSTED if exhausted else Status.FAILED
    return Performance(best, tuple(Status.SUCCEEDED if each else short for each in (far >= SHARE).tolist()))
