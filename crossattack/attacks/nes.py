"""NES: descend a slope that is estimated from random probes on either side."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Cell, Norm, Queries, Radius
from crossattack.attacks._likeness import Distance
from crossattack.attacks._probing import Probing, Subject, Until, probing
from crossattack.attacks._slopes import slope_between


@dataclass(frozen=True, kw_only=True)
class Nes:
    """Natural evolution strategies: signed steps down a slope that pairs of Gaussian probes tell, x + sigma u and x - sigma u.

    With S the likeness to the clean item's answer, n probes a step, and d the way between the two probes of a pair that
    bytes and the ball left of 2 sigma u,

        g = mean (S(x + d/2) - S(x - d/2)) d/2 / mean (d/2)^2          x <- x - alpha sign g, back into the ball

    and x itself is asked as well, once a step. The start is anywhere in the ball: codes and lists do not move near the clean item,
    and some distances of features are level there. Pictures only: texts come back as they were, with nothing asked.

    Differs from the paper: the likeness of answers takes the place of a class's probability; sigma is 2/255, not 0.001, as
    probes are bytes; slopes are over the way that was really gone; no momentum, no decay of alpha.

    Paper: Ilyas, Engstrom, Athalye, Lin, "Black-box Adversarial Attacks with Limited Queries and Information", ICML 2018.
    """

    family: ClassVar[Family] = "queries"
    needs: ClassVar[Needs] = Needs(queries=True, reveals=("codes", "ranking", "features"), changes=("images",))
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    queries: Queries = 500
    samples: Annotated[int, Field(ge=2, le=10_000, multiple_of=2)] = 20  # probes a step
    sigma: Annotated[Radius, Field(ge=2 / 255)] = 2 / 255
    cell: Cell = 1  # pixels a side of the squares that share a draw
    alpha: Radius | None = None  # a quarter of eps
    start: Literal["clean", "uniform"] = "uniform"
    until: Until = "success"
    distance: Distance = "signs"

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn; a batch costs up to `queries` a picture."""
        return probing(context, self, "nes", self.probe)

    def probe(self, subject: Subject) -> Probing:
        """Probes of one picture."""
        point, alpha = subject.start(self.start), self.eps / 4 if self.alpha is None else self.alpha
        while True:
            draws = self.sigma * subject.normal(self.samples // 2, self.cell)
            slope = yield from slope_between(subject, point, draws)
            point = subject.ball.project(point + alpha * subject.ball.downhill(slope))
