"""Performing: all attacked pictures together, asked about on their way, round by round, by surrogates that learn as they go."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate, softplus

from crossattack.attacks import Pictures, Status
from crossattack.attacks._audition import Descent, asked_codes, changed, points_of
from crossattack.attacks._balls import ball_of_pictures, to_bytes
from crossattack.attacks._cast import Bytes, Cast, agreed
from crossattack.attacks._context import AttackContext
from crossattack.attacks._questions import Asking, Pattern, Performance, asked_about
from crossattack.attacks._surrogate import in_a_line
from crossattack.attacks._swapping import swapped
from crossattack.attacks._weights import keep_weights, took_up
from crossattack.codes import Codes
from crossattack.encoding import as_floats
from crossattack.errors import BudgetRefused
from surrogates.training import Schedule, train

OLD = 0.5  # pictures that were learned before, for each new one
REHEARSALS = 2  # rounds
COARSE, PATCHES = 8, 4  # squares along each side of a smooth pattern; places for a patch along each side


@dataclass
class Memory:
    """Pictures that were asked about, oldest first: what came back, and which of its bits are not those of the clean picture.

    It begins with pictures as they were.
    """

    images: Bytes
    codes: Codes
    turned: Bool[Tensor, "items bits"]

    def __post_init__(self) -> None:
        self.clean_codes = self.codes

    def lesson(self, images: Bytes, codes: Codes, turned: Bool[Tensor, "items bits"], generator: torch.Generator) -> "Memory":
        """These, with some of what was known before, drawn at random; from now on they are known."""
        old = torch.randint(len(self.images), (round(OLD * len(images)),), generator=generator)
        found = Memory(*(torch.cat(pair) for pair in ((images, self.images[old]), (codes, self.codes[old]), (turned, self.turned[old]))))
        self.images, self.codes, self.turned = (
            torch.cat(pair) for pair in ((self.images, images), (self.codes, codes), (self.turned, turned))
        )
        return found


def learn(context: AttackContext, cast: Cast, name: str, lesson: Memory, asking: Asking) -> None:
    """Every surrogate goes on learning, from these pictures as they are: neither moved nor mirrored, as the change is not either.

    What each knows then is kept under `checkpoints`, so that a run that was killed asks and steps again, and learns nothing twice.
    """
    batch, lr = min(context.recipe.batch, len(lesson.images)), context.recipe.tower_lr
    schedule = Schedule(epochs=asking.epochs, batch=batch, lr=lr, tower_lr=lr, shift=0, flip=False)
    wanted, weights = lesson.codes.float().to(context.device), 1 + asking.change * lesson.turned.float().to(context.device)

    def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        rows = batch.to(wanted.device)
        found: Tensor = (weights[rows] * softplus(-wanted[rows] * outputs)).mean()
        return found

    for number, network in enumerate(cast.networks):
        path = context.folder / "checkpoints" / f"{name}-{number}.safetensors"
        if took_up(network, path):
            continue
        network.requires_grad_(True)
        stream = context.streams.torch("performing", name, number)
        with context.progress.stage(f"training {name}", schedule.epochs) as tick, in_a_line(name):
            train(network, lesson.images, objective, schedule, stream, tick=tick)
        network.requires_grad_(False)
        keep_weights(network, path)


def rehearsed(context: AttackContext, cast: Cast, memory: Memory, descent: Descent, asking: Asking, queries: int) -> Cast:
    """The cast after rounds on changed own pictures, whose codes the surrogates learn; so many queries in all, a picture a query."""
    clean, codes, each = memory.images, memory.codes, queries // REHEARSALS
    for number in range(REHEARSALS if each and descent.steps else 0):
        rows = (torch.arange(each) + number * each) % len(clean)
        own = Pictures(tuple((-1 - rows - number * len(clean)).tolist()), clean[rows])
        shown = changed(context, cast, own, codes[rows].float(), descent)
        shown = patterned(shown, own.values, descent, asking, context.streams.torch("patterns", "own", number))
        found = asked_codes(context, shown)
        if len(found) < each:
            break
        turned = found != codes[rows]
        cast = cast.judged(own.values, shown, turned.float())
        lesson = memory.lesson(shown, found, turned, context.streams.torch("rehearsal", number))
        learn(context, cast, f"rehearsal-{number + 1}", lesson, asking)
    return cast


def performed(
    context: AttackContext, cast: Cast, memory: Memory, clean: Bytes, descent: Descent, asking: Asking, most: int
) -> tuple[Bytes, tuple[Status, ...]]:
    """So many queries for each picture: its clean code, `asking.asked` points a round on the way from its best so far, and swaps.

    The best is the one whose code is farthest from the clean one; of as far ones, the last. A picture that has turned `asking.enough` of
    its bits is asked about no more, and the others have its queries, as far as the oracle lets any one have more. Nor is one that the
    target refuses to answer about.
    """
    bits, swaps, cap = memory.codes.shape[1], round(asking.swaps * (most - 1)), context.oracle.per_item
    own, heard = asked_about(context, clean, tuple(range(len(clean))), bits)
    best = Performance(own, clean.clone(), torch.zeros(len(clean)), heard)
    pushed = agreed(own, memory.clean_codes, descent.consensus)
    rows, asked, left = heard.nonzero().flatten(), 1, (most - 1 - swaps) * len(clean)
    each = most - swaps if asking.enough == 1 else 1 + left if cap is None else cap - swaps  # that one picture may have before its swaps
    while len(rows) and (count := min(asking.asked, each - asked, left // len(rows))) > 0:
        pictures = Pictures(tuple(rows.tolist()), clean[rows])
        steps = max(descent.steps, asking.asked) if asked == 1 else asking.asked
        points = points_of(context, cast, pictures, best.images[rows], pushed[rows], descent, steps, count)
        stream = context.streams.torch("patterns", left)
        shown = [patterned(point, pictures.values, descent, asking, stream) for point in points]
        answers, heard = _answers(context, shown, pictures.ids, bits)
        best.heard[rows] = heard
        rows, shown, answers = rows[heard], [point[heard] for point in shown], [answer[heard] for answer in answers]
        for point, answer in zip(shown, answers, strict=False):
            best.keep(rows, point, answer)
        if len(answers) < count:  # by a service that bills repeated attempts
            return best.images, best.status(Status.EXHAUSTED)
        asked, left, going = asked + count, left - count * len(pictures.ids), best.far[rows] < asking.enough
        if going.any() and (swaps or min(each - asked, left // int(going.sum())) > 0):
            moved, found, turned = torch.cat(shown), torch.cat(answers), torch.cat([answer != own[rows] for answer in answers])
            cast = cast.judged(clean[rows].repeat(count, 1, 1, 1), moved, turned.float())
            lesson = memory.lesson(moved, found, turned, context.streams.torch("lesson", left))
            learn(context, cast, f"performance-{asked - 1}", lesson, asking)
        rows = rows[going]
    short = Status.FAILED
    if swaps and len(rows):
        left += swaps * len(clean)
        most = swaps if asking.enough == 1 else left if cap is None else cap - asked
        short = swapped(context, cast, best, Pictures(tuple(rows.tolist()), clean[rows]), pushed[rows], descent, asking, most, left)
    return best.images, best.status(short)


def _answers(context: AttackContext, shown: Sequence[Bytes], ids: tuple[int, ...], bits: int) -> tuple[list[Codes], Bool[Tensor, " items"]]:
    """What the target says of each point of all pictures, as far as the budget goes, and about which pictures it answers every time."""
    found, heard = list[Codes](), torch.ones(len(ids), dtype=torch.bool)
    with context.progress.stage("asking on the way", len(shown) * len(ids)) as tick, suppress(BudgetRefused):
        for point in shown:
            codes, answered = asked_about(context, point, ids, bits)
            found.append(codes)
            heard &= answered
            tick(len(ids), queries_left=context.oracle.remaining)
    return found, heard


def patterned(images: Bytes, clean: Bytes, descent: Descent, asking: Asking, generator: torch.Generator) -> Bytes:
    """A share of the pictures goes on by the radius along a pattern of random colours, back inside the ball; the others stay.

    The pattern is smooth, or of whole colour planes, or one square patch.
    """
    if not asking.smooth:
        return images
    chosen = torch.rand(len(images), generator=generator) < asking.smooth
    pattern = _pattern(asking.pattern, images.shape, generator)
    ball = ball_of_pictures(as_floats(clean), descent.eps, descent.norm)
    moved = to_bytes(ball.project(as_floats(images) + ball.eps * chosen[:, None, None, None] * pattern), ball)
    return torch.where(chosen[:, None, None, None], moved, images)


def _pattern(kind: Pattern, shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "items 3 height width"]:
    """Of 1, -1 and, beside a patch, 0."""
    squares = COARSE if kind == "smooth" else 1
    colours = interpolate(torch.randn(shape[0], 3, squares, squares, generator=generator), shape[2:], mode="bicubic").sign()
    if kind != "patches":
        return colours
    place = torch.randint(PATCHES**2, (shape[0],), generator=generator)
    there = torch.nn.functional.one_hot(place, PATCHES**2).reshape(-1, 1, PATCHES, PATCHES).float()
    return colours * interpolate(there, shape[2:], mode="nearest")
