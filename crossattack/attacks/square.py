"""Square attack: random squares of one colour, kept where they help."""

from dataclasses import dataclass
from math import sqrt
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from crossattack.attacks import Family, Needs, Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Eps, Queries
from crossattack.attacks._likeness import Distance
from crossattack.attacks._probing import Probing, Subject, Until, probing

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of the share p, in ten-thousandths of all probes


@dataclass(frozen=True, kw_only=True)
class Square:
    """Square attack: start from stripes, then repaint one random square at a time at the wall of the ball.

    The first probe has vertical stripes, each channel of each column at x + eps or x - eps. Each later one repaints one square of
    the best so far, each channel at +eps or -eps; it is kept where it makes the answer less alike. A square covers a share p of
    the picture, from `p_init` on, halved at set times of the picture's own allowance. Pictures only: texts come back as they
    were, with nothing asked.

    Differs from the paper: the likeness of answers takes the place of a margin of logits; the L-infinity attack only; a draw
    that would change nothing has its signs turned round rather than being drawn again.

    Paper: Andriushchenko, Croce, Flammarion, Hein, "Square Attack: a Query-efficient Black-box Adversarial Attack via Random
    Search", ECCV 2020.
    """

    family: ClassVar[Family] = "queries"
    needs: ClassVar[Needs] = Needs(queries=True, reveals=("codes", "ranking", "features"), changes=("images",))
    norm: Literal["linf"] = "linf"
    eps: Eps = 8 / 255
    queries: Queries = 500
    p_init: Annotated[float, Field(gt=0, le=1)] = 0.8
    until: Until = "success"
    distance: Distance = "signs"

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn; a batch costs up to `queries` a picture."""
        return probing(context, self, "square", self.probe)

    def probe(self, subject: Subject) -> Probing:
        """Probes of one picture."""
        height, width = subject.clean.shape[2:]
        best = subject.inside(subject.clean + self.eps * subject.signs(1)[:, :, :1])
        lowest = float((yield best))
        for number in range(1, subject.probes):
            side = self.side(number / subject.probes, height, width)
            top, left = (int(torch.randint(0, size - side + 1, (1,), generator=subject.generator)) for size in (height, width))
            here = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
            signs, point = subject.signs(1)[:, :, :1, :1], best / 255
            for colour in (signs, -signs):
                point[here] = subject.clean[here] + self.eps * colour
                painted = subject.inside(point)
                if not torch.equal(painted, best):
                    break
            score = float((yield painted))
            if score < lowest:
                best, lowest = painted, score

    def side(self, share: float, height: int, width: int) -> int:
        """Pixels of a square's side when this share of the probes is spent; at least one."""
        halved = sum(share * 10_000 > time for time in HALVINGS)
        return min(max(round(sqrt(self.p_init / 2**halved * height * width)), 1), height, width)
