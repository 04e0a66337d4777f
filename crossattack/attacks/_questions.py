"""Asking about attacked pictures: what is asked, what came back, and the best of each picture so far."""

import logging
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossattack.attacks import Status
from crossattack.attacks._cast import Bytes
from crossattack.attacks._context import AttackContext
from crossattack.attacks._verdict import SHARE
from crossattack.codes import Codes
from crossattack.errors import ItemRefused

log = logging.getLogger("crossattack")
Pattern: TypeAlias = Literal["smooth", "colours", "patches"]


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How many points a round asks about and which, what is learned of them and how often, who is asked about no more, and swaps.

    Each as `Understudy` says.
    """

    asked: int
    epochs: int
    change: float
    smooth: float
    pattern: Pattern
    enough: float
    swaps: float


@dataclass
class Performance:
    """The best of each attacked picture so far, how much of its code it has turned, and whether the target answers questions about it."""

    own: Codes
    images: Bytes
    far: Float[Tensor, " items"]
    heard: Bool[Tensor, " items"]

    def keep(self, rows: Int64[Tensor, " shown"], images: Bytes, codes: Codes) -> None:
        """Of these pictures, those whose codes are as far as the best so far, or farther."""
        turned = (codes != self.own[rows]).float().mean(1)
        farther = turned >= self.far[rows]
        self.images[rows[farther]], self.far[rows[farther]] = images[farther], turned[farther]

    def status(self, short: Status) -> tuple[Status, ...]:
        """By the answers; `short` of those that did not get far enough, unless the target refused them."""
        kinds = zip((self.far >= SHARE).tolist(), self.heard.tolist(), strict=True)
        return tuple(Status.SUCCEEDED if far else short if heard else Status.ERROR for far, heard in kinds)


def asked_about(context: AttackContext, images: Bytes, ids: tuple[int, ...], bits: int) -> tuple[Codes, Bool[Tensor, " items"]]:
    """Their codes, and which pictures the target answers about; the codes of the others say nothing."""
    try:
        codes = context.oracle.query_images(images, phase="attack", items=ids).codes
        return codes, torch.ones(len(ids), dtype=torch.bool)
    except ItemRefused as error:
        if len(ids) == 1:
            log.warning("attacked item %d is asked about no more: %s", ids[0], error)
            return torch.ones(1, bits, dtype=torch.int8), torch.zeros(1, dtype=torch.bool)
        halves = [slice(0, len(ids) // 2), slice(len(ids) // 2, len(ids))]  # what was answered before costs nothing now
        parts = [asked_about(context, images[half], ids[half], bits) for half in halves]
        return torch.cat([codes for codes, _ in parts]), torch.cat([answered for _, answered in parts])
