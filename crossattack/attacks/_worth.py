"""What an edit is worth to first order: one gradient ranks all edits of a draft, before the best of them are tried.

At a bag of words the gradient is one number a word; a word that goes takes its own away. At a transformer's vectors it is a
vector a word, and a word w in place of v is worth its product with w - v.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from crossattack.attacks._context import OpenEncoder
from crossattack.attacks._drafts import Slope, Slopes
from crossattack.attacks._edits import Draft, Edit
from crossattack.objectives import Loss
from surrogates.texts import Bags, Embedded, Texts
from surrogates.towers import EmbeddingTower


@runtime_checkable
class VectorEncoder(Protocol):
    """An encoder whose texts may come as vectors."""

    def encode_texts(self, texts: Texts | Embedded) -> Tensor:
        """Texts -> relaxed codes."""
        ...


def bag_slopes(encoder: OpenEncoder, loss: Loss) -> Slopes:
    """Of an encoder of bags of words; words that it does not know are worth nothing."""
    position = {word: i for i, word in enumerate(encoder.vocabulary)}

    def of(draft: Draft) -> Slope:
        present = [word for word in (*draft.now, *draft.added) if word is not None]
        weights = torch.zeros(1, len(position))
        weights[0, [position[word] for word in present if word in position]] = 1
        weights.requires_grad_()
        (slope,) = torch.autograd.grad(loss(encoder.encode_texts(Bags(encoder.vocabulary, weights))).sum(), weights)
        worth: dict[str, float] = dict(zip(encoder.vocabulary, slope[0].tolist(), strict=True))

        def value(edit: Edit) -> float:
            gone = None if edit.place is None else draft.now[edit.place]
            if gone is not None and present.count(gone) > 1:
                gone = None  # it stands elsewhere too
            return worth.get(edit.word or "", 0.0) - worth.get(gone or "", 0.0)

        return value

    return of


def vector_slopes(encoder: VectorEncoder, tower: EmbeddingTower, loss: Loss) -> Slopes:
    """Of an encoder that turns words into vectors: of replacements only, as nothing is known at places without a word."""
    row = {word: i for i, word in enumerate(tower.words)}

    def of(draft: Draft) -> Slope:
        embedded = tower.embed([draft.text()])
        vectors = embedded.vectors.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(encoder.encode_texts(Embedded(vectors, embedded.present))).sum(), vectors)
        with torch.no_grad():
            worth = slope[0] @ torch.cat([tower.table, tower.unknown[None]]).T  # (words of the text, words of the tower and any other)
        rows = worth.tolist()
        standing = [place for place, word in enumerate(draft.now) if word is not None]
        token = {place: i for i, place in enumerate(standing)}

        def value(edit: Edit) -> float:
            assert edit.place is not None, "replacements only"
            assert edit.word is not None, "replacements only"
            if token[edit.place] >= len(rows):
                return 0.0  # beyond what the tower reads
            here = rows[token[edit.place]]
            return float(here[row.get(edit.word, -1)] - here[row.get(draft.now[edit.place] or "", -1)])

        return value

    return of
