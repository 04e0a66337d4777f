"""Meaning of edited texts: how far a sentence encoder that has no part in the attack says that they moved.

MiniLM, whose weights the extra `crossattack[text]` installs; without it nobody is asked, and the distance is null.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from crossattack.attacks import Words
from crossattack.metrics.texts import embedding_distance
from crossattack.perturbing import Condition
from surrogates.texts import Bags, words_of
from surrogates.towers.texts.minilm import Minilm, sentence_vectors


def texts_apart(clean: Condition, attacked: Condition, folder: str = "") -> Float64[Tensor, " items"] | None:
    """Of each text, 1 - cosine of its vectors before and after; None where texts are not edited or there is no encoder.

    folder: of a MiniLM other than the one that is installed.
    """
    if "texts" not in attacked:
        return None
    before, after = clean["texts"].items, attacked["texts"].items
    assert isinstance(before, Words)
    assert isinstance(after, Words)
    if isinstance(before.values, Bags) or isinstance(after.values, Bags) or Minilm.refusal(folder):
        return None
    pairs = list(zip(before.values, after.values, strict=True))
    moved = [place for place, (one, other) in enumerate(pairs) if words_of(one) != words_of(other)]
    found = torch.zeros(len(pairs), dtype=torch.float64)
    if moved:
        clean_vectors, vectors = (sentence_vectors([pairs[place][side] for place in moved], folder) for side in (0, 1))
        found[moved] = embedding_distance(clean_vectors, vectors)
    return found
