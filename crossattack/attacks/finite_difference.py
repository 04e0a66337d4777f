"""Finite differences: a table of signs from queries alone."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from typing import Annotated, ClassVar, TypeAlias

import torch
from jaxtyping import Int8, Int64, UInt8
from pydantic import Field
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, Status, unasked
from crossattack.attacks._balls import ball_of_pictures, to_bytes
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Eps, Norm, Radius
from crossattack.errors import BudgetRefused
from crossattack.objectives import signs

AT_ONCE = 512  # probes sent together

Picture: TypeAlias = UInt8[Tensor, "3 height width"]
Ask: TypeAlias = Callable[[UInt8[Tensor, "probes 3 height width"]], Tensor]  # pictures -> (answered, dim), the first of them
Margin: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # answers (probes, dim), the clean one (dim) -> (probes, margins)


@dataclass(frozen=True, kw_only=True)
class FiniteDifference:
    """Raise each block of pixels in each channel by a little, see whether the margin rises or falls, and move all at once.

    The margin is the mean product of an answer with the signs of the picture's own clean answer. A block whose raising lowers
    it is raised by eps, one whose raising lifts it is lowered, one that changes nothing stays. A block without room to be
    raised by `probe` is lowered instead and its sign turned.

    A picture costs one query and one for each of its blocks, 3 (height / block) (width / block), each channel on its own; with
    `block: 1` that is every value of every pixel. A budget that does not cover it, in equal shares for all attacked pictures,
    probes as many blocks in random order. Features show every slope. Hard codes show few: most probes turn
    no bit, and a bit that turns at the clean picture can only lower the margin, so larger blocks and probes find more.
    Probes are bytes and may go further than eps; what comes out does not. Texts come back as they were, with nothing asked.

    Differs from the paper: the article asks a classifier for the scores of the true and of a wanted label, which `sign_table`
    does too (`examples/cifar10_epsilon.py`); here the margin is the likeness to one's own clean answer. Blocks, the lowering of
    bright blocks and whole grey levels are ours.

    Paper: Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015, for the step along signs;
    the table of signs from queries is that of an article on adversarial examples for CIFAR-10, 2016.
    """

    family: ClassVar[Family] = "classic"
    needs: ClassVar[Needs] = Needs(queries=True, reveals=("codes", "features"), changes=("images",))
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    block: Annotated[int, Field(ge=1)] = 16  # pixels
    probe: Annotated[Eps, Field(ge=2 / 255, le=127 / 255)] = 8 / 255  # how far a block is raised; whole grey levels of it

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn; a picture costs a query a block and one more, or its share of the budget."""
        allowed = context.allowance(context.oracle.cap)

        def perturb(items: Items) -> Perturbed:
            if not isinstance(items, Pictures):
                return unasked(items)
            found, status = [], []
            with context.progress.stage("probing: finite_difference", len(items.ids)) as tick:
                for item, picture in zip(items.ids, items.values, strict=True):
                    table, whole = self._table(context, item, picture, allowed)
                    found.append(stepped(picture[None], table, eps=self.eps, norm=self.norm))
                    status.append(Status.UNVERIFIED if whole else Status.EXHAUSTED)
                    tick(1, queries_left=context.oracle.remaining)
            return Perturbed(Pictures(items.ids, torch.cat(found)), tuple(status))

        return perturb

    def _table(self, context: AttackContext, item: int, picture: Picture, allowed: int) -> tuple[Int8[Tensor, "1 3 height width"], bool]:
        """The picture's table, and whether all of its blocks were probed."""
        count = int(blocks_of(picture, self.block).max()) + 1
        order = torch.randperm(count, generator=context.streams.torch("finite_difference", "images", item))
        whole = allowed > count

        def ask(probes: Tensor) -> Tensor:
            nonlocal whole
            try:
                return context.oracle.query_images(probes, phase="attack", items=[item] * len(probes)).values.float()
            except BudgetRefused:
                whole = False
                return torch.zeros(0, 1)

        if allowed < 1:
            return torch.zeros(1, *picture.shape, dtype=torch.int8), False
        levels = floor(self.probe * 255 + 1e-6)
        return sign_table(ask, _likeness, picture, block=self.block, levels=levels, probed=order[: allowed - 1]), whole


def sign_table(
    ask: Ask, margin: Margin, picture: Picture, *, block: int = 1, levels: int = 2, probed: Int64[Tensor, " probed"] | None = None
) -> Int8[Tensor, "margins 3 height width"]:
    """Of each margin, whether it rises (1) or falls (-1) where a pixel's block is raised; 0 where neither, or nobody asked.

    `ask` answers to uint8 pictures; fewer answers than pictures mean that no more are to be had. `margin` makes margins of
    answers, several where one table each is wanted: for a classifier `lambda scores, clean: scores[:, [true]] - scores`.
    levels: grey levels of a probe. probed: the blocks to ask about, by their numbers (`blocks_of`); None: all.
    """
    blocks = blocks_of(picture, block)
    count = int(blocks.max()) + 1
    brightest = torch.zeros(count, dtype=torch.int32).scatter_reduce(0, blocks.flatten(), picture.flatten().int(), "amax")
    ways = torch.where(brightest > 255 - levels, -1, 1)
    clean = ask(picture[None])
    found = torch.zeros(count, margin(clean, clean.new_zeros(clean.shape[1])).shape[1], dtype=torch.int8)
    for some in torch.split(torch.arange(count) if probed is None else probed, AT_ONCE):
        if not len(clean):
            break
        raised = (blocks == some[:, None, None, None]) * (levels * ways[some])[:, None, None, None]  # (probes, 3, height, width)
        answers = ask((picture.int() + raised).clamp(0, 255).to(torch.uint8))
        change = margin(answers, clean[0]) - margin(clean, clean[0])
        found[some[: len(answers)]] = (change.sign() * ways[some[: len(answers)], None]).to(torch.int8)
        if len(answers) < len(some):
            break
    return found.T[:, blocks]


def stepped(
    pictures: UInt8[Tensor, "items 3 height width"], tables: Int8[Tensor, "items 3 height width"], *, eps: float, norm: Norm = "linf"
) -> UInt8[Tensor, "items 3 height width"]:
    """The pictures moved by eps, in whole grey levels, in the direction that lowers the margin of their tables."""
    ball = ball_of_pictures(pictures.float() / 255, eps, norm)
    return to_bytes(ball.project(ball.clean + ball.eps * ball.downhill(tables.float())), ball)


def blocks_of(picture: Picture, block: int) -> Int64[Tensor, "3 height width"]:
    """The number of the block that each value of the picture is in, from 0, channel by channel and row by row."""
    channels, rows, columns = (torch.arange(size) // step for size, step in zip(picture.shape, (1, block, block), strict=True))
    down, across = int(rows.max()) + 1, int(columns.max()) + 1
    return (channels[:, None, None] * down + rows[:, None]) * across + columns


def _likeness(answers: Tensor, clean: Tensor) -> Tensor:
    return (answers * signs(clean)).mean(1, keepdim=True)
