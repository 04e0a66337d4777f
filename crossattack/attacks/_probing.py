"""Probing: what every attack shares that learns from answers to the very items it attacks.

An attack on one picture is a generator: it yields probes, bytes inside the ball, and is sent how alike to the clean item the
target finds each of them (`_likeness`); it sees nothing else and asks nothing itself.

    def probe(subject):
        while True:
            scores = yield subject.inside(subject.clean + ...)

`pursue` keeps its books: the clean item is the first query, the best probe so far is kept, the allowance ends it.
`probe_all` runs many of them side by side and sends what they want to know together.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from crossattack.attacks import Items, Perturb, Perturbed, Pictures, Status, unasked
from crossattack.attacks._balls import Ball, Norm, ball_of_pictures, to_bytes
from crossattack.attacks._context import AttackContext
from crossattack.attacks._likeness import Distance, likeness
from crossattack.attacks._verdict import left_its_place
from crossattack.errors import BudgetRefused
from crossattack.oracle import Answer, Oracle

AT_ONCE = 512  # pictures sent together; a bound on memory that decides nothing else

Until: TypeAlias = Literal["success", "end"]
Probes: TypeAlias = UInt8[Tensor, "probes 3 height width"]
Probing: TypeAlias = Generator[Probes, Float64[Tensor, " probes"], None]


@runtime_checkable
class Terms(Protocol):
    """The settings that every query attack has.

    queries: the most on behalf of one picture, its clean answer among them. until: whether a picture that left its place by
    the attacker's own view is let be. distance: how features are compared, where answers are features.
    """

    @property
    def norm(self) -> Norm: ...
    @property
    def eps(self) -> float: ...
    @property
    def queries(self) -> int: ...
    @property
    def until(self) -> Until: ...
    @property
    def distance(self) -> Distance: ...


@dataclass(frozen=True)
class Subject:
    """One picture under attack: its ball, (1, 3, height, width), its own randomness, and how many probes it may cost."""

    ball: Ball
    generator: torch.Generator
    probes: int

    @property
    def clean(self) -> Float[Tensor, "1 3 height width"]:
        """The picture as it was, in [0, 1]."""
        return self.ball.clean

    def start(self, kind: Literal["clean", "uniform"]) -> Float[Tensor, "1 3 height width"]:
        """The picture itself, or anywhere in its ball."""
        return self.clean if kind == "clean" else self.ball.anywhere(torch.rand(self.clean.shape, generator=self.generator))

    def inside(self, points: Float[Tensor, "probes 3 height width"]) -> Probes:
        """The nearest pictures that a file can hold inside the ball."""
        return to_bytes(self.ball.project(points), self.ball)

    def normal(self, count: int, cell: int = 1) -> Float[Tensor, "count 3 height width"]:
        """Draws from the normal distribution for so many pictures, one a channel for each square of `cell` pixels a side."""
        return self._spread(torch.randn(count, 3, *self._cells(cell), generator=self.generator), cell)

    def signs(self, count: int, cell: int = 1) -> Float[Tensor, "count 3 height width"]:
        """The same with -1 or +1, as likely."""
        return self._spread(torch.randint(0, 2, (count, 3, *self._cells(cell)), generator=self.generator) * 2.0 - 1, cell)

    def _cells(self, cell: int) -> tuple[int, int]:
        height, width = self.clean.shape[2:]
        return -(-height // cell), -(-width // cell)

    def _spread(self, draws: Float[Tensor, "count 3 down across"], cell: int) -> Float[Tensor, "count 3 height width"]:
        height, width = self.clean.shape[2:]
        return draws.repeat_interleave(cell, 2).repeat_interleave(cell, 3)[:, :, :height, :width]


@dataclass(frozen=True)
class Found:
    """The best probe of a picture, how it ended, and the likeness of everything that was asked about it, in order."""

    picture: UInt8[Tensor, "3 height width"]
    status: Status
    trace: tuple[float, ...]


def probing(context: AttackContext, terms: Terms, stream: str, probe: Callable[[Subject], Probing]) -> Perturb:
    """Perturb pictures by probing each of them; texts come back as they were, since nothing was asked about them."""

    def perturb(items: Items) -> Perturbed:
        if not isinstance(items, Pictures):
            return unasked(items)
        found = probe_all(context, items, terms, stream, probe)
        return Perturbed(Pictures(items.ids, torch.stack([one.picture for one in found])), tuple(one.status for one in found))

    return perturb


def probe_all(context: AttackContext, pictures: Pictures, terms: Terms, stream: str, probe: Callable[[Subject], Probing]) -> list[Found]:
    """What is found for each picture, by probings that run side by side; what they ask is sent together."""
    allowed = context.allowance(terms.queries)
    running: dict[int, Generator[Probes, Answer | None, Found]] = {}
    for row, item in enumerate(pictures.ids):
        ball = ball_of_pictures(pictures.values[row : row + 1].float() / 255, terms.eps, terms.norm)
        subject = Subject(ball, context.streams.torch(stream, "images", item), allowed - 1)
        running[row] = pursue(pictures.values[row], probe(subject), terms, allowed)
    found = dict[int, Found]()
    wanted = dict[int, Probes]()

    def go_on(row: int, answer: Answer | None) -> None:
        try:
            wanted[row] = running[row].send(answer)
        except StopIteration as end:
            found[row] = end.value

    with context.progress.stage(f"probing: {stream}", len(running)) as tick:
        for row in running:
            go_on(row, None)
        while wanted:
            for rows in _together({row: len(probes) for row, probes in wanted.items()}):
                answers = ask_each(context.oracle, [wanted.pop(row) for row in rows], [pictures.ids[row] for row in rows])
                before = len(found)
                for row, answer in zip(rows, answers, strict=True):
                    go_on(row, answer)
                tick(len(found) - before, queries_left=context.oracle.remaining)
    return [found[row] for row in running]


def pursue(clean: UInt8[Tensor, "3 height width"], probing: Probing, terms: Terms, allowed: int) -> Generator[Probes, Answer | None, Found]:
    """Ask what a probing wants to know, within the allowance, and keep the best.

    Yields pictures and is sent the answers to them, or to the first of them where the budget ended there, or None where it
    ended before. The best leaves its place by the attacker's own view, if any does, and is least like the clean item. A
    probe sent twice counts twice here, though the ledger charges it once: the bill of an item is at most its allowance.
    """
    best, rank, trace = clean, (True, inf), list[float]()
    status = Status.EXHAUSTED if allowed < terms.queries else Status.FAILED
    before: Answer | None = None
    probes = clean[None]
    while len(trace) < allowed:
        sent = probes[: allowed - len(trace)]
        answer = yield sent
        if answer is None:
            status = Status.EXHAUSTED
            break
        before = before or answer
        scores, stays = likeness(before, answer, terms.distance), ~left_its_place(before, answer)
        for picture, score, stayed in zip(sent, scores.tolist(), stays.tolist(), strict=False):
            trace.append(score)
            if (stayed, score) < rank:
                best, rank = picture, (stayed, score)
        if len(scores) < len(sent):
            status = Status.EXHAUSTED
            break
        if len(trace) == allowed or (terms.until == "success" and not rank[0]):
            break
        try:
            probes = next(probing) if len(trace) == 1 else probing.send(scores)
        except StopIteration:  # nothing left to try
            break
    return Found(best, status if rank[0] else Status.SUCCEEDED, tuple(trace))


def ask_each(oracle: Oracle, probes: Sequence[Probes], items: Sequence[int]) -> list[Answer | None]:
    """Answers to the probes of each item, in one query batch where the budget covers it.

    Where it does not: item by item, then probe by probe, as far as it goes. An item of which only the first probes were
    answered gets those; None where it was not even the first.
    """
    try:
        behalf = [item for item, few in zip(items, probes, strict=True) for _ in few]
        answer = oracle.query_images(torch.cat(list(probes)), phase="attack", items=behalf)
    except BudgetRefused:
        if len(probes) > 1:
            return [ask_each(oracle, [few], [item])[0] for few, item in zip(probes, items, strict=True)]
        return [_first_answers(oracle, probes[0], items[0])]
    ends = torch.tensor([len(few) for few in probes]).cumsum(0)[:-1]
    return [Answer(answer.reveals, values) for values in answer.values.tensor_split(ends)]


def _first_answers(oracle: Oracle, probes: Probes, item: int) -> Answer | None:
    answers = list[Answer]()
    for one in probes[:, None]:
        try:
            answers.append(oracle.query_images(one, phase="attack", items=[item]))
        except BudgetRefused:
            break
    return Answer(oracle.reveals, torch.cat([answer.values for answer in answers])) if answers else None


def _together(sizes: dict[int, int]) -> list[list[int]]:
    """Rows in their order, in groups of at most `AT_ONCE` pictures or of one row."""
    groups, size = list[list[int]](), 0
    for row, count in sizes.items():
        if not groups or size + count > AT_ONCE:
            groups, size = [*groups, []], 0
        groups[-1].append(row)
        size += count
    return groups
