"""The attacker's own verdict: whether an attacked item left its place, from answers that were paid for."""

import torch
from jaxtyping import Bool
from torch import Tensor

from crossattack.attacks import Items, Status
from crossattack.attacks._aims import ask
from crossattack.attacks._context import AttackContext
from crossattack.oracle import Answer, Reveals

SHARE, TOP, COSINE = 0.25, 10, 0.5


def left_its_place(clean: Answer, attacked: Answer) -> Bool[Tensor, " items"]:
    """Codes: at least a quarter of the bits flipped. Ranking: none of the clean top 10 is left in the top 10.

    Of shorter lists, all that is shown counts as the top. Features: their cosine is at most a half, which is what a quarter
    of the bits flipped makes of two codes.
    """
    if clean.reveals is Reveals.FEATURES:
        cosine: Tensor = torch.nn.functional.cosine_similarity(attacked.features.double(), clean.features.double())
        return cosine <= COSINE
    if clean.reveals is Reveals.RANKING:
        before, after = clean.ids[:, :TOP], attacked.ids[:, :TOP]
        return ~(before[:, :, None] == after[:, None, :]).any(2).any(1)
    return (clean.codes != attacked.codes).float().mean(1) >= SHARE


def verdict(context: AttackContext, clean: Items, attacked: Items) -> tuple[Status, ...]:
    """Ask about each item before and after, and say how it ended: two queries an item, less what is known already."""
    moved: Tensor = left_its_place(ask(context, clean), ask(context, attacked))
    return tuple(Status.SUCCEEDED if each else Status.FAILED for each in moved.tolist())
