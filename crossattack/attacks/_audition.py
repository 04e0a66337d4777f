"""Auditions: which own pictures are asked about, which surrogate knows its part, and how it is best played.

A surrogate that has nearly all bits right on clean pictures may have few right on its own adversarial ones, which is where its slopes
lead. A few of those, of the attacker's own pictures, are asked about before anything else is done.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int8, Int64, UInt8
from torch import Tensor
from torch.nn.functional import normalize

from crossattack.attacks import Pictures
from crossattack.attacks._answers import CodeAnswers
from crossattack.attacks._balls import Ball, Norm, ball_of_pictures, to_bytes
from crossattack.attacks._cast import FLAT, Bytes, Cast, Push
from crossattack.attacks._context import BATCH, LEAST_PAIRS, AttackContext
from crossattack.attacks._gradient import drawing
from crossattack.attacks._moves import Moves, way
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.codes import harden
from crossattack.encoding import as_floats, encode_images
from crossattack.errors import BudgetRefused, UsageError
from crossattack.findings import keep
from crossattack.fingerprint import fingerprint_texts
from surrogates.network import HashingNetwork
from surrogates.texts import Text
from surrogates.towers import image_tower

AT_ONCE = 100  # pictures moved together


def own_answers(context: AttackContext, pictures: int, texts: int, spread: SurrogateRecipe | None = None) -> tuple[CodeAnswers, Bytes]:
    """Codes of so many of the attacker's own pictures and different texts, and the pictures that were not asked about.

    They are asked in the order that all attacks ask in. spread: each next picture is the one least like all before, as the tower of this
    recipe sees them, see `spread_out`.
    """
    order = torch.from_numpy(context.streams.numpy("mining", "order").permutation(len(context.images)))
    words = [context.texts[position] for position in order.tolist()]
    if spread is not None:
        order = order[spread_out(_looks(context, spread, context.images[order]), pictures)]
    images, asked = context.images[order[:pictures]], different(words)[:texts]
    of_texts = context.oracle.query_texts(asked, phase="mining").codes  # first, as they are the fewer
    of_images = asked_codes(context, images)
    if len(of_images) < LEAST_PAIRS:
        raise UsageError(
            f"codes of {LEAST_PAIRS} own pictures wanted, of {len(of_images)} got before the budget ended; raise `oracle.budget`."
        )
    return CodeAnswers(images[: len(of_images)], asked, of_images, of_texts), context.images[order[len(of_images) :]]


def different(texts: Sequence[Text]) -> list[Text]:
    """Each of these once, in the order in which they come first: equal ones are paid for once."""
    found = dict[bytes, Text]()
    for key, text in zip(fingerprint_texts(texts), texts, strict=True):
        found.setdefault(key, text)
    return list(found.values())


def in_doubt(
    context: AttackContext,
    answers: CodeAnswers,
    others: UInt8[Tensor, "others 3 height width"],
    network: HashingNetwork,
    pictures: int,
) -> tuple[CodeAnswers, UInt8[Tensor, "left 3 height width"]]:
    """The answers with codes of so many more own pictures, of whose bits the network is least sure; and those still not asked about."""
    order = encode_images(network, others, device=context.device).abs().mean(1).argsort(stable=True)
    asked, left = others[order[:pictures]], others[order[pictures:]]
    found = asked_codes(context, asked)
    if not len(found):
        return answers, others
    images, codes = torch.cat([answers.images, asked[: len(found)]]), torch.cat([answers.image_codes, found])
    return replace(answers, images=images, image_codes=codes), left


def spread_out(features: Float[Tensor, "items dim"], first: int) -> Int64[Tensor, " items"]:
    """An order of the items: of its first so many, each after the first is the one whose nearest before it is farthest, by cosine.

    Paper: Gonzalez, "Clustering to Minimize the Maximum Intercluster Distance", Theoretical Computer Science 1985.
    """
    unit = normalize(features, dim=1)
    taken, nearest = list[int](), torch.full((len(unit),), -2.0)
    for _ in range(min(first, len(unit))):
        taken.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, unit @ unit[taken[-1]])
        nearest[taken[-1]] = torch.inf
    return torch.cat([torch.tensor(taken, dtype=torch.int64), (nearest < torch.inf).nonzero().flatten()])


def _looks(context: AttackContext, recipe: SurrogateRecipe, images: Bytes) -> Float[Tensor, "items dim"]:
    """What this recipe's tower makes of them before it has learned anything of the target."""
    torch.manual_seed(context.streams.number("looks", "initial weights"))
    tower = image_tower(recipe.image_tower, recipe.weights).to(context.device).eval()
    with torch.inference_mode():
        return torch.cat([tower(as_floats(batch.to(context.device))).cpu() for batch in torch.split(images, BATCH)])


@dataclass(frozen=True, kw_only=True)
class Descent:
    """How far a picture goes, in how many steps of what length, what it is pushed off, by which parts of a descent, and where it ends.

    Each as `Understudy` says. ways: among which an audition chooses.
    """

    norm: Norm
    eps: float
    alpha: float | None
    steps: int
    push: Push
    nearness: float
    consensus: int
    late: int
    starts: int
    ways: tuple[Moves, ...]


def points_of(
    context: AttackContext,
    cast: Cast,
    pictures: Pictures,
    start: Bytes,
    codes: Float[Tensor, "items bits"],
    descent: Descent,
    steps: int,
    last: int = 1,
    number: int = 0,
) -> list[Bytes]:
    """The `last` points on the way down from `start`, as a file holds them inside the balls around the clean pictures.

    A picture's way is its own: it depends neither on who goes beside it nor on how many. Where features are pushed, which have no slope
    at the clean picture, it begins anywhere. number: of the way, by which it draws.
    """
    found, slopes = list[list[Bytes]](), cast.folded()
    for rows in torch.split(torch.arange(len(pictures.ids)), AT_ONCE):
        here = Pictures(tuple(pictures.ids[row] for row in rows.tolist()), pictures.values[rows])
        ball = ball_of_pictures(as_floats(here.values.to(context.device)), descent.eps, descent.norm)
        alpha, begin = ball.eps / 4 if descent.alpha is None else descent.alpha, as_floats(start[rows].to(context.device))
        draw = drawing(context, here, number)
        value = slopes.keeping(ball.clean, codes[rows].to(context.device), descent.push, descent.nearness)
        if descent.push in FLAT and torch.equal(start, pictures.values):
            begin = ball.anywhere(draw(tuple(begin.shape[1:])))
        points = deque(way(value, ball, cast.moves, draw, begin, alpha=alpha, steps=steps), maxlen=last)
        found.append([to_bytes(point, ball) for point in points])
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


def changed(context: AttackContext, cast: Cast, pictures: Pictures, codes: Float[Tensor, "items bits"], descent: Descent) -> Bytes:
    """Where each picture ends: at the mean of its last `descent.late` points, of `descent.starts` ways by whichever the cast votes for."""
    best, most = pictures.values, torch.full((len(pictures.ids),), -1.0)
    ball = ball_of_pictures(as_floats(pictures.values), descent.eps, descent.norm)
    for number in range(descent.starts if descent.steps else 0):
        start = pictures.values if number == 0 else anywhere(context, pictures, ball, number)
        points = points_of(context, cast, pictures, start, codes, descent, descent.steps, descent.late)
        found = points[-1] if len(points) == 1 else to_bytes(torch.stack([as_floats(point) for point in points]).mean(0), ball)
        if descent.starts == 1:
            return found
        votes = cast.votes(found, harden(codes), context.device)
        best, most = torch.where((votes > most)[:, None, None, None], found, best), torch.maximum(votes, most)
    return best


def anywhere(context: AttackContext, pictures: Pictures, ball: Ball, number: int) -> Bytes:
    """A random point of each picture's ball, its own."""
    streams = (context.streams.torch("starts", number, item) for item in pictures.ids)
    return to_bytes(ball.anywhere(torch.stack([torch.rand(ball.clean.shape[1:], generator=stream) for stream in streams])), ball)


def auditioned(context: AttackContext, cast: Cast, answers: CodeAnswers, descent: Descent, queries: int, names: Sequence[str]) -> Cast:
    """The cast as so many queries about changed own pictures make it: who leads, how far each is trusted, and by which moves.

    Each picture, whose clean code is known, goes every way: surrogates of the target's family want it straight, all others resized or
    warped at random. The way that turned most bits is taken. names: of the surrogates, under which the run tells what was found.
    """
    count = min(queries // len(descent.ways), len(answers.images))
    if not count or not descent.steps:
        return cast
    own, codes = Pictures(tuple(range(-count, 0)), answers.images[:count]), answers.image_codes[:count]
    shown, turned = list[Bytes](), list[Tensor]()
    ways = {_called(moves): moves for moves in descent.ways}
    with context.progress.stage("audition", len(ways)) as tick:
        for name, moves in ways.items():
            shown.append(changed(context, replace(cast, moves=moves), own, codes.float(), descent))
            found = asked_codes(context, shown[-1])
            if len(found) < count:
                return cast
            turned.append((found != codes).float())
            tick(1, name, bits_turned=float(turned[-1].mean()))
    told = {name: float(each.mean()) for name, each in zip(ways, turned, strict=True)}
    best = max(told, key=lambda name: told[name])
    judged = cast.judged(own.values.repeat(len(turned), 1, 1, 1), torch.cat(shown), torch.cat(turned))
    trust = dict(zip(names, judged.trust, strict=True))
    keep(context.folder, "audition", {"pictures": count, "bits_turned": told, "taken": best, "trust": trust})
    return replace(judged.leading(), moves=ways[best])


def _called(moves: Moves) -> str:
    return "warped" if moves.affine else "resized" if moves.diversity or moves.sizes != (1.0,) else "straight"


def asked_codes(context: AttackContext, images: Bytes) -> Int8[Tensor, "answered bits"]:
    """What the target says of own pictures, batch by batch; of the first of them alone, where repeated attempts were billed too."""
    found = list[Tensor]()
    with context.progress.stage("querying the target", len(images)) as tick:
        for batch in torch.split(images, BATCH):
            try:
                found.append(context.oracle.query_images(batch, phase="mining").codes)
            except BudgetRefused:
                if left := context.oracle.remaining:
                    found.append(context.oracle.query_images(batch[:left], phase="mining").codes)
                break
            tick(len(batch), queries_left=context.oracle.remaining)
    return torch.cat(found) if found else torch.zeros(0, 0, dtype=torch.int8)
