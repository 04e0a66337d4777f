"""Aims: what an attack pushes a query away from, and what towards, in codes that were paid for or that the surrogate gave."""

from typing import TypeAlias, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossattack.attacks import Items, Pictures
from crossattack.attacks._answers import ListAnswers
from crossattack.attacks._context import AttackContext
from crossattack.attacks._surrogate import Surrogate
from crossattack.codes import Codes, harden
from crossattack.encoding import encode
from crossattack.ledger import Modality
from crossattack.mining import ascending, extremes, likeness, places
from crossattack.oracle import Answer, Reveals

Sides: TypeAlias = tuple[Float[Tensor, "items bits"], Float[Tensor, "items bits"]]


def aims(context: AttackContext, surrogate: Surrogate, items: Items, *, asked: bool, among: float) -> Sides:
    """Mean codes of each item's positives and of its negatives: the `among` nearest and farthest items of the other modality.

    Nearness is the surrogate's, which is free, or the target's own (`asked`), at one query an item: its code, or its list.
    """
    known = surrogate.text_codes if isinstance(items, Pictures) else surrogate.image_codes
    generators = [context.streams.torch("aach", type(items).__name__, item) for item in items.ids]
    count = max(1, round(among * len(known)))
    if asked and context.oracle.reveals is Reveals.RANKING:
        return _listed(context, surrogate, items, ask(context, items).ids, generators, count)
    codes = ask(context, items).codes if asked else harden(encode(surrogate.network, _modality(items), items.values, device=context.device))
    chosen = [extremes(likeness(code[None], known), generator, count) for code, generator in zip(codes, generators, strict=True)]
    near, far = ([known[rows[side][0]].float().mean(0) for rows in chosen] for side in (0, 1))
    return torch.stack(near), torch.stack(far)


def ask(context: AttackContext, items: Items) -> Answer:
    """What the target says to these items, paid for on their behalf."""
    if isinstance(items, Pictures):
        return context.oracle.query_images(items.values, phase="attack", items=items.ids)
    return context.oracle.query_texts(items.values, phase="attack", items=items.ids)


def _listed(
    context: AttackContext, surrogate: Surrogate, items: Items, lists: Tensor, generators: list[torch.Generator], count: int
) -> Sides:
    """The head of each item's own list, and what is not in it, or at its tail."""
    answers = cast(ListAnswers, surrogate.answers)
    pictures = isinstance(items, Pictures)
    shown, known = (answers.shown_text_ids, surrogate.text_codes) if pictures else (answers.shown_image_ids, surrogate.image_codes)
    far = [extremes(row[None], generator, count)[1][0] for row, generator in zip(places(lists, shown), generators, strict=True)]
    heads = lists[:, : min(count, lists.shape[1])].long()
    ids, codes = _with_news(context, surrogate, "texts" if pictures else "images", ascending(heads), shown, known)
    near = codes[torch.searchsorted(ids, heads)]  # (items, head, bits)
    return near.float().mean(1), torch.stack([known[rows].float().mean(0) for rows in far])


def _with_news(
    context: AttackContext, surrogate: Surrogate, modality: Modality, listed: Tensor, shown: Tensor, known: Codes
) -> tuple[Int64[Tensor, " items"], Codes]:
    """Ids in ascending order with their codes: those that training saw, and those of `listed` that it did not."""
    news = listed[~torch.isin(listed, shown)]
    if not len(news):
        return shown, known
    values = context.oracle.shown_images(news) if modality == "images" else context.oracle.shown_texts(news)
    ids, order = torch.cat([shown, news]).sort()
    return ids, torch.cat([known, harden(encode(surrogate.network, modality, values, device=context.device))])[order]


def _modality(items: Items) -> Modality:
    return "images" if isinstance(items, Pictures) else "texts"
