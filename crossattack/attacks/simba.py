"""SimBA: one direction of an orthonormal basis at a time, kept where it helps."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Eps, Norm, Queries, Radius
from crossattack.attacks._likeness import Distance
from crossattack.attacks._probing import Probing, Subject, Until, probing


@dataclass(frozen=True, kw_only=True)
class Simba:
    """Simple black-box attack: add a direction, or take it away, and keep what makes the answer less alike.

    Directions are those of an orthonormal basis in random order: single values of single pixels (`basis: pixel`), or the waves
    of the discrete cosine transform whose frequencies are in the lowest `frequencies` share of each axis (`basis: dct`). A
    direction that was tried both ways in vain is not tried again before all others were. Pictures only: texts come back as
    they were, with nothing asked.

    Differs from the paper: a step is measured by the largest change of a pixel, `alpha`, rather than by its L2 length, as
    probes are bytes and a wave of length 0.2 rounds to nothing; the ball is L-infinity unless said otherwise; a step that
    the ball leaves nothing of is not asked about; after the last direction it begins again, unless none had helped.

    Paper: Guo, Gardner, You, Wilson, Weinberger, "Simple Black-box Adversarial Attacks", ICML 2019.
    """

    family: ClassVar[Family] = "queries"
    needs: ClassVar[Needs] = Needs(queries=True, reveals=("codes", "ranking", "features"), changes=("images",))
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    queries: Queries = 500
    basis: Literal["dct", "pixel"] = "dct"
    frequencies: Annotated[float, Field(gt=0, le=1)] = 0.125
    alpha: Annotated[Eps, Field(ge=2 / 255)] = 4 / 255
    until: Until = "success"
    distance: Distance = "signs"

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn; a batch costs up to `queries` a picture."""
        return probing(context, self, "simba", self.probe)

    def probe(self, subject: Subject) -> Probing:
        """Probes of one picture."""
        found, lowest, better = subject.inside(subject.clean), 1.0, True
        while better:
            better = False
            for direction in self.directions(subject):
                for change in (self.alpha * direction, -self.alpha * direction):
                    point = subject.inside(found / 255 + change)
                    if torch.equal(point, found):
                        continue
                    score = float((yield point))
                    if score < lowest:
                        found, lowest, better = point, score, True
                        break

    def directions(self, subject: Subject) -> Iterator[Float[Tensor, "1 3 height width"]]:
        """The basis in random order, each with 1 as its largest value."""
        height, width = subject.clean.shape[2:]
        if self.basis == "dct":
            height, width = (max(1, round(self.frequencies * size)) for size in (height, width))
        for number in torch.randperm(3 * height * width, generator=subject.generator).tolist():
            place = number // (height * width), number // width % height, number % width
            direction = torch.zeros_like(subject.clean)
            if self.basis == "pixel":
                direction[0, place[0], place[1], place[2]] = 1
            else:
                down, across = (_wave(size, frequency) for size, frequency in zip(subject.clean.shape[2:], place[1:], strict=True))
                wave = torch.outer(down, across)
                direction[0, place[0]] = wave / wave.abs().max()
            yield direction


def _wave(size: int, frequency: int) -> Float[Tensor, " size"]:
    """A cosine of the transform (DCT-II) over so many pixels."""
    return torch.cos(pi * frequency * (torch.arange(size) + 0.5) / size)
