"""QAIR: fool a search that shows nothing but ids, by how much of its clean list is left."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Cell, Norm, Queries, Radius
from crossattack.attacks._likeness import Distance
from crossattack.attacks._probing import Probing, Subject, Until, probing
from crossattack.attacks._slopes import estimated_slope, way


@dataclass(frozen=True, kw_only=True)
class Qair:
    """Query-efficient attack on retrieval from ranked ids alone: descend by random differences of the lists' overlap.

    The score of a picture is how much of its clean list is left in its list, both weighed by place (`still_listed`): it falls
    as what was listed sinks or leaves, and there is no boundary to be found first. From the point x and its score S, with
    n Gaussian probes a step,

        g = mean (S(x + d) - S(x)) d / mean d^2          x <- x - alpha sign g, back into the ball

    where d is what bytes and the ball left of sigma u. The start is anywhere in the ball. Pictures only: texts come back as they
    were, with nothing asked.

    Differs from the paper: no substitute is stolen from the target to guide the probes, and none is refined recursively,
    which is where most of the paper's thrift comes from (`aach` is that road here); the weights of places are ours, as the
    paper's are not known to us; sigma is 2/255, as probes are bytes.

    Paper: Li, Li, Chen, Ye, He, Wang, Su, Xue, "QAIR: Practical Query-efficient Black-Box Attacks for Image Retrieval",
    CVPR 2021.
    """

    family: ClassVar[Family] = "queries"
    needs: ClassVar[Needs] = Needs(queries=True, reveals=("ranking",), changes=("images",))
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    queries: Queries = 500
    samples: Annotated[int, Field(ge=1, le=10_000)] = 20  # probes a step
    sigma: Annotated[Radius, Field(ge=2 / 255)] = 2 / 255
    cell: Cell = 1  # pixels a side of the squares that share a draw
    alpha: Radius | None = None  # a quarter of eps
    start: Literal["clean", "uniform"] = "uniform"
    until: Until = "success"
    distance: ClassVar[Distance] = "signs"  # of features, which it is never shown

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn; a batch costs up to `queries` a picture."""
        return probing(context, self, "qair", self.probe)

    def probe(self, subject: Subject) -> Probing:
        """Probes of one picture."""
        point, alpha = subject.start(self.start), self.eps / 4 if self.alpha is None else self.alpha
        while True:
            here = subject.inside(point)
            around = subject.inside(point + self.sigma * subject.normal(self.samples, self.cell))
            scores = yield torch.cat([here, around])
            slope = estimated_slope(scores[1:] - scores[:1], way(here.expand_as(around), around))
            point = subject.ball.project(point + alpha * subject.ball.downhill(slope))
