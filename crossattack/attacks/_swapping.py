"""Swapping: squares of several changes of a picture, put into its best one so far and kept where the target says that they help.

The changes are the surrogates' own: what all of them make together, and what up to three of them make alone. They lead to other places,
and which of them is right where, only the target knows.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from crossattack.attacks import Pictures, Status
from crossattack.attacks._audition import Descent, anywhere, changed, points_of
from crossattack.attacks._balls import ball_of_pictures, to_bytes
from crossattack.attacks._cast import Bytes, Cast
from crossattack.attacks._context import AttackContext
from crossattack.attacks._questions import Asking, Performance, asked_about
from crossattack.encoding import as_floats
from crossattack.errors import BudgetRefused

CHANGES = 4  # of each picture
DRAWS = 20  # of a square, at most
AREAS = ((0.1, 1 / 2), (0.3, 1 / 4), (0.6, 1 / 8), (1.0, 1 / 16))  # of swaps, until when; of a picture, what a square covers until then


def swapped(
    context: AttackContext,
    cast: Cast,
    best: Performance,
    pictures: Pictures,
    codes: Float[Tensor, "items bits"],
    descent: Descent,
    asking: Asking,
    most: int,
    queries: int,
) -> Status:
    """Ask about pictures up to `most` times each, `queries` in all: first about every change whole, then about squares put into the best.

    A picture that has turned `asking.enough` of its bits is asked about no more, nor is one that the target refuses to answer about.
    Returns what is said of pictures that have not turned enough: EXHAUSTED where the budget did not last, as repeated attempts were
    billed too.

    Changes and squares are kept that turn as many bits or more. A square that is in the best already is drawn again, as it would tell
    nothing.

    Differs from the paper: one picture in place of a population, whose mates are the surrogates' changes; squares in place of pixels.

    Paper: Alzantot, Sharma, Chakraborty, Zhang, Hsieh, Srivastava, "GenAttack: Practical Black-box Attacks with Gradient-free
    Optimization", GECCO 2019.
    """
    if not most or queries < len(pictures.ids):
        return Status.FAILED
    changes = torch.stack(changes_of(context, cast, pictures, codes, descent))
    streams = [context.streams.torch("swaps", item) for item in pictures.ids]
    ids, rows, usual = torch.tensor(pictures.ids), torch.arange(len(pictures.ids)), min(most, queries / len(pictures.ids))
    with context.progress.stage("swapping", round(usual)) as tick:
        for number in range(most):
            rows = rows[best.heard[ids[rows]] & (best.far[ids[rows]] < asking.enough)]
            if not 0 < len(rows) <= queries:
                break
            if number < CHANGES:
                shown = changes[number][rows]
            else:
                shown = crossed(best.images[ids[rows]], changes[:, rows], area(number / usual), [streams[row] for row in rows.tolist()])
            ball = ball_of_pictures(as_floats(pictures.values[rows]), descent.eps, descent.norm)
            shown = to_bytes(ball.project(as_floats(shown)), ball)
            try:
                answers, heard = asked_about(context, shown, tuple(ids[rows].tolist()), best.own.shape[1])
            except BudgetRefused:
                return Status.EXHAUSTED
            best.heard[ids[rows]] = heard
            best.keep(ids[rows][heard], shown[heard], answers[heard])
            queries -= len(rows)
            tick(1, queries_left=context.oracle.remaining, bits_turned=float(best.far[ids].mean()))
    return Status.FAILED


def changes_of(context: AttackContext, cast: Cast, pictures: Pictures, codes: Float[Tensor, "items bits"], descent: Descent) -> list[Bytes]:
    """Where each picture ends by all surrogates from where it is, and by three of them alone, each time from a random point.

    The second comes first, and after the last it goes on from the first.
    """
    ball = ball_of_pictures(as_floats(pictures.values), descent.eps, descent.norm)
    found = [changed(context, cast, pictures, codes, descent)]
    for number in range(1, CHANGES):
        alone = replace(cast, networks=(cast.networks[number % len(cast.networks)],), trust=(1.0,))
        start = anywhere(context, pictures, ball, number)
        found += points_of(context, alone, pictures, start, codes, descent, descent.steps, number=number)
    return found


def crossed(best: Bytes, changes: UInt8[Tensor, "changes items 3 height width"], share: float, streams: Sequence[torch.Generator]) -> Bytes:
    """Each picture with a square of one of its changes in it, drawn from its own stream until that differs; as it is after DRAWS of them.

    share: of a picture, what a square covers.
    """
    shown = best.clone()
    for _ in range(DRAWS):
        same = torch.nonzero((shown == best).flatten(1).all(1))[:, 0]
        if not len(same):
            break
        drawn = torch.stack([torch.rand(3, generator=streams[row]) for row in same.tolist()])
        mates = changes[(drawn[:, 0] * len(changes)).long(), same]
        shown[same] = torch.where(squares(drawn[:, 1:], tuple(mates.shape[2:]), share), mates, best[same])
    return shown


def area(spent: float) -> float:
    """Share of a picture that a square covers once this share of the swaps is spent; of a picture that gets more of them, the least."""
    return next((share for until, share in AREAS if spent <= until), AREAS[-1][1])


def squares(places: Float[Tensor, "items 2"], size: tuple[int, ...], share: float) -> Bool[Tensor, "items 1 height width"]:
    """One square a picture that covers this share of it, as far down and to the right as its two draws from [0, 1) say."""
    inside = list[Tensor]()
    for side, place in zip(size, places.unbind(1), strict=True):
        long = max(1, round(sqrt(share) * side))
        first, pixels = (place * (side - long + 1)).long()[:, None], torch.arange(side)
        inside.append((pixels >= first) & (pixels < first + long))
    rows, columns = inside
    return (rows[:, :, None] & columns[:, None, :])[:, None]
