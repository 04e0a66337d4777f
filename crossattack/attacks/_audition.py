"""Auditions: what the target's codes teach surrogates, who of them knows its part, and how it is best played.

A surrogate that has nearly all bits right on clean pictures may have few right on its own adversarial ones, which is where its slopes
lead. A few of those, of the attacker's own pictures, are asked about before anything else is done.
"""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from crossattack.attacks import Pictures
from crossattack.attacks._answers import Answers, CodeAnswers
from crossattack.attacks._balls import Norm, ball_of_pictures, to_bytes
from crossattack.attacks._cast import Bytes, Cast
from crossattack.attacks._context import BATCH, AttackContext
from crossattack.attacks._gradient import drawing
from crossattack.attacks._moves import Moves, way
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.codes import Codes
from crossattack.encoding import as_floats
from crossattack.fingerprint import fingerprint_texts
from surrogates.network import HashingNetwork
from surrogates.texts import Text
from surrogates.training import Objective, Schedule

AT_ONCE = 100  # pictures moved together


def bit_by_bit(
    network: HashingNetwork, answers: Answers, recipe: SurrogateRecipe, schedule: Schedule, generator: torch.Generator
) -> Objective:
    """Each bit is a class of its own, learned by its likelihood: mean of log(1 + exp(-b z)), z unbounded, b the bit that came back."""
    assert isinstance(answers, CodeAnswers), "asked for by `needs`"
    device = next(network.parameters()).device
    image_codes, text_codes = answers.image_codes.float().to(device), answers.text_codes.float().to(device)

    def objective(outputs: Float[Tensor, "batch bits"], batch: Tensor) -> Float[Tensor, ""]:
        texts: Tensor = softplus(-text_codes * network.project_texts(answers.texts)).mean()
        pictures: Tensor = softplus(-image_codes[batch.to(device)] * outputs).mean()
        return pictures + texts

    return objective


def own_answers(context: AttackContext, pictures: int, texts: int) -> CodeAnswers:
    """Codes of so many of the attacker's own pictures and different texts, in the order that all attacks ask in."""
    order = torch.from_numpy(context.streams.numpy("mining", "order").permutation(len(context.images)))
    words = [context.texts[position] for position in order.tolist()]
    different = dict[bytes, Text]()
    for key, text in zip(fingerprint_texts(words), words, strict=True):
        different.setdefault(key, text)
    images, asked = context.images[order[:pictures]], list(different.values())[:texts]
    return CodeAnswers(images, asked, asked_codes(context, images), context.oracle.query_texts(asked, phase="mining").codes)


@runtime_checkable
class Terms(Protocol):
    """How far a picture goes, in how many steps of what length, with what chance of being resized at each."""

    @property
    def norm(self) -> Norm: ...
    @property
    def eps(self) -> float: ...
    @property
    def alpha(self) -> float | None: ...
    @property
    def diversity(self) -> float: ...
    @property
    def steps(self) -> int: ...


def points_of(
    context: AttackContext, cast: Cast, pictures: Pictures, start: Bytes, codes: Float[Tensor, "items bits"], terms: Terms, steps: int
) -> list[Bytes]:
    """What is met on the way down from `start`, one a step, as a file holds it inside the balls around the clean pictures.

    A picture's way is its own: it depends neither on who goes beside it nor on how many.
    """
    found: list[list[Bytes]] = []
    for rows in torch.split(torch.arange(len(pictures.ids)), AT_ONCE):
        here = Pictures(tuple(pictures.ids[row] for row in rows.tolist()), pictures.values[rows])
        ball = ball_of_pictures(as_floats(here.values.to(context.device)), terms.eps, terms.norm)
        alpha, begin = ball.eps / 4 if terms.alpha is None else terms.alpha, as_floats(start[rows].to(context.device))
        value = cast.keeping(ball.clean, codes[rows].to(context.device))
        points = way(value, ball, cast.moves, drawing(context, here), begin, alpha=alpha, steps=steps)
        found.append([to_bytes(point, ball) for point in points])
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


def auditioned(context: AttackContext, cast: Cast, answers: CodeAnswers, terms: Terms, queries: int) -> Cast:
    """The cast as so many queries about changed own pictures make it: who leads, how far each is trusted, and by which moves.

    Each picture, whose clean code is known, goes twice, straight and resized at random on the way. The moves that turned more bits are
    taken: surrogates of the target's family want the first, all others the second.
    """
    both = Moves(decay=1.0), Moves(decay=1.0, diversity=terms.diversity)
    count = min(queries // len(both), len(answers.images))
    if not count or not terms.steps:
        return cast
    own, codes = Pictures(tuple(range(-count, 0)), answers.images[:count]), answers.image_codes[:count]
    shown = [points_of(context, replace(cast, moves=moves), own, own.values, codes.float(), terms, terms.steps)[-1] for moves in both]
    turned = [(asked_codes(context, changed) != codes).float() for changed in shown]
    straight, resized = (float(each.mean()) for each in turned)
    judged = cast.judged(torch.cat([own.values, own.values]), torch.cat(shown), torch.cat(turned))
    return replace(judged.leading(), moves=both[resized > straight])


def asked_codes(context: AttackContext, images: Bytes) -> Codes:
    """What the target says of own pictures, batch by batch."""
    found = list[Tensor]()
    with context.progress.stage("querying the target", len(images)) as tick:
        for batch in torch.split(images, BATCH):
            found.append(context.oracle.query_images(batch, phase="mining").codes)
            tick(len(batch), queries_left=context.oracle.remaining)
    return torch.cat(found)
