"""Texts edited by what the target answers to each draft: paid for, draft by draft, on behalf of the text."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossattack.attacks import Perturbed, Status, Words
from crossattack.attacks._context import AttackContext
from crossattack.attacks._drafts import following
from crossattack.attacks._edits import Draft, Rules
from crossattack.attacks._verdict import left_its_place
from crossattack.errors import BudgetRefused, UsageError
from crossattack.oracle import Answer, Reveals
from surrogates.texts import Bags, Text

GONE = 2.0  # how much better a draft is that left its place: more than any score


@dataclass
class _Search:
    """How far the search for one text is."""

    item: int
    beam: list[Draft]
    best: Draft
    least: float = 0.0  # a clean item's own score
    status: Status = Status.FAILED
    left: int = 0  # queries
    untried: bool = False  # drafts that the allowance did not pay for
    batch: list[Draft] = field(default_factory=list)


def allowance(context: AttackContext, queries: int) -> int:
    """Queries that each text may cost; `UsageError` where that is not even its clean answer and one draft's."""
    most = context.allowance(queries)
    if most < 2:
        wanted = f"2 queries or more for each of {context.attacked} texts wanted"
        got = f"{context.oracle.cap} in all and {context.oracle.per_item or 'any number'} for each got"
        raise UsageError(f"{wanted}, {got}; raise `oracle.budget` or `oracle.per_item`, or attack fewer.")
    return most


def asked_edits(context: AttackContext, items: Words, rules: Rules, *, edits: int, width: int, most: int, go_on: bool) -> Perturbed:
    """Each text's best draft within `most` queries, the clean text's among them, and how it ended by these answers.

    A step of a text asks about as many of its drafts as an equal share of what is left pays for, drawn by its own generator.
    EXHAUSTED: some drafts were not paid for, and of the others none left its place.
    """
    assert not isinstance(items.values, Bags), "texts as people send them"
    searches = [_Search(item, [Draft.of(text)], Draft.of(text), left=most) for item, text in zip(items.ids, items.values, strict=True)]
    streams = [context.streams.torch("drafts", item) for item in items.ids]
    try:
        clean = context.oracle.query_texts(items.values, phase="attack", items=items.ids)
        for each in searches:
            each.left -= 1
        for step in range(edits):
            texts, rows = list[Text](), list[int]()
            for row, (each, stream) in enumerate(zip(searches, streams, strict=True)):
                each.batch = (
                    [] if each.status is Status.SUCCEEDED and not go_on else _drawn(each, rules, -(-each.left // (edits - step)), stream)
                )
                texts += [draft.text() for draft in each.batch]
                rows += [row] * len(each.batch)
            if not texts:
                break
            answer = context.oracle.query_texts(texts, phase="attack", items=[items.ids[row] for row in rows])
            before = Answer(clean.reveals, clean.values[rows])
            values, gone = nearness(before, answer), left_its_place(before, answer)
            for row, each in enumerate(searches):
                here = torch.tensor(rows) == row
                _take(each, values[here] - GONE * gone[here], gone[here], width)
    except BudgetRefused:
        for each in searches:
            each.untried = True
    status = tuple(Status.EXHAUSTED if each.status is Status.FAILED and each.untried else each.status for each in searches)
    return Perturbed(Words(items.ids, tuple(each.best.text() for each in searches)), status)


def _drawn(each: _Search, rules: Rules, count: int, stream: torch.Generator) -> list[Draft]:
    """The drafts that a step asks about."""
    drafts = following(each.beam, rules)
    each.untried |= len(drafts) > count
    order = torch.randperm(len(drafts), generator=stream).tolist()
    each.left -= min(count, len(drafts))
    return [drafts[position] for position in sorted(order[:count])]


def _take(each: _Search, values: Float[Tensor, " drafts"], gone: Bool[Tensor, " drafts"], width: int) -> None:
    """Keep the best of what came back."""
    if not len(values):
        return
    order = values.argsort(stable=True)[:width].tolist()
    each.beam = [each.batch[position] for position in order]
    if float(values[order[0]]) < each.least:
        each.best, each.least = each.batch[order[0]], float(values[order[0]])
    if gone.any():
        each.status = Status.SUCCEEDED


def nearness(clean: Answer, probes: Answer) -> Float[Tensor, " probes"]:
    """How near an answer still is to the clean one, in [-1, 0]: 0 where it is the same. To be lowered.

    Codes: minus the share of bits that differ. Ranking: how much of the clean list's weight has sunk, where an item at place p
    of k weighs 1 - p / k in either list, and nothing where it is gone.
    """
    if clean.reveals is not Reveals.RANKING:
        return -(clean.codes != probes.codes).float().mean(1)
    before, after = clean.ids.long(), probes.ids.long().sort(dim=1)
    top_k = before.shape[1]
    column = torch.searchsorted(after.values, before).clamp(max=top_k - 1)
    place = torch.where(after.values.gather(1, column) == before, after.indices.gather(1, column), top_k)
    weight = 1 - torch.arange(top_k) / top_k
    return (weight * (1 - place / top_k)).sum(1) / weight.square().sum() - 1
