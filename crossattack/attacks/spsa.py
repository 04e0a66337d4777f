"""SPSA: descend a slope that is estimated from probes at the corners of a small cube."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Cell, Norm, Queries, Radius
from crossattack.attacks._likeness import Distance
from crossattack.attacks._probing import Probing, Subject, Until, probing
from crossattack.attacks._slopes import slope_between

DECAY, SQUARE_DECAY = 0.9, 0.999  # of Adam's two means


@dataclass(frozen=True, kw_only=True)
class Spsa:
    """Simultaneous perturbation: pairs of probes x + delta v and x - delta v, where each value of v is -1 or +1.

    With S the likeness to the clean item's answer, and n probes a step,

        g = mean (S(x + delta v) - S(x - delta v)) / (2 delta v)          x <- x less an Adam step of g, back into the ball

    or x <- x - alpha sign g with `optimiser: sign`. x itself is asked as well, once a step. Each picture draws its own v.
    The start is anywhere in the ball. Pictures only: texts come back as they were, with nothing asked.

    Differs from the paper: the likeness of answers takes the place of a margin of logits; probes are bytes, so delta is a whole
    number of grey levels (3/255 for the usual 0.01) and slopes are over the way that the ball left of it; 20 probes a step
    rather than thousands.

    Paper: Uesato, O'Donoghue, van den Oord, Kohli, "Adversarial Risk and the Dangers of Evaluating Against Weak Attacks",
    ICML 2018; after Spall, "Multivariate Stochastic Approximation Using a Simultaneous Perturbation Gradient
    Approximation", IEEE Transactions on Automatic Control, 1992.
    """

    family: ClassVar[Family] = "queries"
    needs: ClassVar[Needs] = Needs(queries=True, reveals=("codes", "ranking", "features"), changes=("images",))
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    queries: Queries = 500
    samples: Annotated[int, Field(ge=2, le=10_000, multiple_of=2)] = 20  # probes a step
    delta: Annotated[Radius, Field(ge=2 / 255)] = 3 / 255
    cell: Cell = 1  # pixels a side of the squares that share a draw
    alpha: Radius | None = None  # 0.01 with adam, by each value; a quarter of eps with sign
    optimiser: Literal["adam", "sign"] = "adam"
    start: Literal["clean", "uniform"] = "uniform"
    until: Until = "success"
    distance: Distance = "signs"

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn; a batch costs up to `queries` a picture."""
        return probing(context, self, "spsa", self.probe)

    def probe(self, subject: Subject) -> Probing:
        """Probes of one picture."""
        point, usual = subject.start(self.start), 0.01 if self.optimiser == "adam" else self.eps / 4
        alpha = usual if self.alpha is None else self.alpha
        mean, square, step = torch.zeros_like(point), torch.zeros_like(point), 0
        while True:
            draws = self.delta * subject.signs(self.samples // 2, self.cell)
            slope = yield from slope_between(subject, point, draws)
            step, ahead = step + 1, subject.ball.downhill(slope)
            if self.optimiser == "adam":
                mean, square = DECAY * mean + (1 - DECAY) * slope, SQUARE_DECAY * square + (1 - SQUARE_DECAY) * slope.square()
                ahead = -(mean / (1 - DECAY**step)) / ((square / (1 - SQUARE_DECAY**step)).sqrt() + 1e-8)
            point = subject.ball.project(point + alpha * ahead)
