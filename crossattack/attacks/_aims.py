"""Aims: what an attack pushes a query away from, and what towards, among codes that were paid for or that the surrogate gave."""

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int8, Int64
from torch import Tensor

from crossattack.attacks import Items, Pictures
from crossattack.attacks._answers import ListAnswers
from crossattack.attacks._context import AttackContext, codes_of
from crossattack.attacks._surrogate import Surrogate
from crossattack.codes import Codes, harden
from crossattack.encoding import encode
from crossattack.ledger import Modality
from crossattack.mining import ascending, extremes, likeness, places
from crossattack.oracle import FINDS, Answer, Reveals


@dataclass(frozen=True)
class Aims:
    """Known codes of one modality, and for each attacked item 1 at what is near it and at what is far from it."""

    codes: Int8[Tensor, "known bits"]
    near: Float[Tensor, "items known"]
    far: Float[Tensor, "items known"]


def nearest_aims(context: AttackContext, codes: Codes, known: Int8[Tensor, "known bits"], ids: tuple[int, ...], among: float) -> Aims:
    """The `among` nearest and farthest of what is known, by these codes of the items; ties by each item's own draws."""
    count = max(1, round(among * len(known)))
    generators = [context.streams.torch("aims", item) for item in ids]
    chosen = [extremes(likeness(code[None], known), generator, count) for code, generator in zip(codes, generators, strict=True)]
    near, far = (_marked(torch.cat([rows[side] for rows in chosen]), len(known)) for side in (0, 1))
    return Aims(known, near, far)


def asked_aims(context: AttackContext, surrogate: Surrogate, items: Items, among: float) -> Aims:
    """The same by what the target says to each item, at one query an item: its code, or its list of the other modality."""
    answer, side = ask(context, items), FINDS[modality_of(items)]
    known = known_codes(surrogate, side)
    if context.oracle.reveals is not Reveals.RANKING:
        return nearest_aims(context, codes_of(answer), known, items.ids, among)
    answers, count = cast(ListAnswers, surrogate.answers), max(1, round(among * len(known)))
    shown = answers.shown_text_ids if side == "texts" else answers.shown_image_ids
    heads = answer.ids[:, : min(count, answer.ids.shape[1])].long()
    ids, codes = _with_news(context, surrogate, side, ascending(heads), shown, known)
    far = []
    for row, item in zip(places(answer.ids, shown), items.ids, strict=True):  # of what training saw: not in the list, or at its tail
        far.append(torch.searchsorted(ids, shown[extremes(row[None], context.streams.torch("aims", item), count)[1]]))
    return Aims(codes, _marked(torch.searchsorted(ids, heads), len(ids)), _marked(torch.cat(far), len(ids)))


def ask(context: AttackContext, items: Items) -> Answer:
    """What the target says to these items, paid for on their behalf."""
    if isinstance(items, Pictures):
        return context.oracle.query_images(items.values, phase="attack", items=items.ids)
    return context.oracle.query_texts(items.values, phase="attack", items=items.ids)


def modality_of(items: Items) -> Modality:
    """The word for what these are."""
    return "images" if isinstance(items, Pictures) else "texts"


def known_codes(surrogate: Surrogate, modality: Modality) -> Int8[Tensor, "known bits"]:
    """Codes of the items of that modality that an attack may aim at."""
    return surrogate.text_codes if modality == "texts" else surrogate.image_codes


def _with_news(
    context: AttackContext, surrogate: Surrogate, modality: Modality, listed: Tensor, shown: Tensor, known: Tensor
) -> tuple[Int64[Tensor, " items"], Codes]:
    """Ids in ascending order with their codes: those that training saw, and those of `listed` that it did not."""
    news = listed[~torch.isin(listed, shown)]
    if not len(news):
        return shown, known
    values = context.oracle.shown_images(news) if modality == "images" else context.oracle.shown_texts(news)
    ids, order = torch.cat([shown, news]).sort()
    return ids, torch.cat([known, harden(encode(surrogate.network, modality, values, device=context.device))])[order]


def _marked(positions: Int64[Tensor, "items marked"], known: int) -> Float[Tensor, "items known"]:
    """1 at these positions of each row."""
    return torch.zeros(len(positions), known).scatter_(1, positions, 1.0)
