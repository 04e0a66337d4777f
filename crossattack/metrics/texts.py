"""Change of texts: how many words an edit touches, which came and went, and how far its meaning moved."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from surrogates.texts import Bags, Text, words_of


def edits(clean: Text, changed: Text) -> int:
    """The fewest words to put in, take out or replace that make one text of the other (Levenshtein's distance over words)."""
    before, after = words_of(clean), words_of(changed)
    row = list(range(len(after) + 1))  # from the words so far to the first so many of the changed text
    for place, word in enumerate(before, start=1):
        last, row = row, [place]
        for other, wanted in enumerate(after, start=1):
            row.append(min(last[other] + 1, row[-1] + 1, last[other - 1] + (word != wanted)))
    return row[-1]


def words_moved(clean: Text, changed: Text) -> tuple[int, int]:
    """How many words came in and how many went, each as often as it stands there; order counts for nothing."""
    before, after = Counter(words_of(clean)), Counter(words_of(changed))
    return (after - before).total(), (before - after).total()


def embedding_distance(clean: Float[Tensor, "items width"], changed: Float[Tensor, "items width"]) -> Float64[Tensor, " items"]:
    """1 - cosine between the vectors that a sentence encoder has for a text before and after: 0 for the same, at most 2."""
    return 1 - torch.nn.functional.cosine_similarity(clean.double(), changed.double(), dim=1).clamp(-1, 1)


def of_texts(clean: Sequence[Text], changed: Sequence[Text], apart: Float64[Tensor, " items"] | None = None) -> dict[str, Any]:
    """Means over the texts, and how many were edited. apart: embedding distances, where an encoder was at hand; else null."""
    pairs, count = list(zip(clean, changed, strict=True)), max(1, len(clean))
    moved = [words_moved(*pair) for pair in pairs]
    edited = sum(words_of(before) != words_of(after) for before, after in pairs)
    return {
        "edited": edited,
        "edits": sum(edits(*pair) for pair in pairs) / count,
        "words_added": sum(added for added, _ in moved) / count,
        "words_removed": sum(removed for _, removed in moved) / count,
        "embedding_distance": 0.0 if not edited else None if apart is None else float(apart.mean()),
    }


def of_bags(clean: Bags, changed: Bags) -> dict[str, Any]:
    """Of bags over the same words: largest and mean change of weights, words moved."""
    change = (changed.weights - clean.weights).abs()
    return {
        "weight_linf": float(change.max()) if change.numel() else 0.0,
        "weight_l1": float(change.sum(1).mean()),
        "words_moved": float((change > 0).sum(1).double().mean()),
    }
