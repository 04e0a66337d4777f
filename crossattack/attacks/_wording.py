"""Texts edited through the eyes of an attack: the target where it is granted, else a surrogate; no query either way."""

from collections.abc import Callable
from dataclasses import fields
from typing import TypeAlias

import torch
from torch import Tensor

from crossattack.attacks import Words
from crossattack.attacks._context import AttackContext, OpenEncoder
from crossattack.attacks._drafts import Search, Slopes, lowest
from crossattack.attacks._edits import Rules
from crossattack.attacks._worth import bag_slopes
from crossattack.encoding import encode_texts
from crossattack.objectives import Known, Loss, Objective, View
from surrogates.texts import Bags, Text

LossOf: TypeAlias = Callable[[int], Loss]  # of one item of a batch, for any number of candidates
CHUNK = 512  # candidates whose loss is taken at once


def reworded(
    context: AttackContext,
    encoder: OpenEncoder,
    items: Words,
    loss_of: LossOf,
    rules: Rules,
    search: Search,
    slopes: Callable[[OpenEncoder, Loss], Slopes] | None = None,
) -> Words:
    """Each text after the edits that lower its loss most. Text by text, so that batches never matter.

    slopes: what ranks edits; gradients at bags of words where the encoder reads those and nothing else is given.
    """
    assert not isinstance(items.values, Bags), "texts as people send them"
    if slopes is None and encoder.vocabulary:
        slopes = bag_slopes
    found: list[Text] = []
    for row, text in enumerate(items.values):
        loss = loss_of(row)

        def value(texts: list[Text], loss: Loss = loss) -> Tensor:
            codes = encode_texts(encoder, texts, device=context.device).to(context.device)
            with torch.no_grad():
                return torch.cat([loss(part) for part in torch.split(codes, CHUNK)]).cpu()

        ranked = slopes(encoder, loss) if slopes else None
        found.append(lowest(text, rules, value, search, ranked))
    return Words(items.ids, tuple(found))


def losses(objective: Objective, view: View) -> LossOf:
    """The objective's loss of each single item."""
    return lambda row: lambda relaxed: objective.of(_repeated(view, row, len(relaxed)))(relaxed)


def _repeated(view: View, row: int, count: int) -> View:
    """One item of a view, so many times."""

    def known(side: Known) -> Known:
        rows = (getattr(side, part.name)[row].expand(count, -1) for part in fields(Known) if part.name != "codes")
        return Known(side.codes, *rows)

    return View(view.own[row].expand(count, -1), known(view.other), known(view.same), view.chosen)
