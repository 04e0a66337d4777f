"""Bags of words: the literature's feature space of texts, in which a gradient attack moves weights rather than words."""

import torch

from surrogates.texts import Bags, Texts, words_of


def as_bags(texts: Texts, vocabulary: tuple[str, ...]) -> Bags:
    """0/1 bags over the vocabulary followed by whatever other words these texts have, in alphabetical order."""
    assert not isinstance(texts, Bags), "texts as people send them"
    items = [words_of(text) for text in texts]
    words = vocabulary + tuple(sorted({word for item in items for word in item} - set(vocabulary)))
    position = {word: i for i, word in enumerate(words)}
    weights = torch.zeros(len(items), len(words))
    for row, item in zip(weights, items, strict=True):
        row[[position[word] for word in item]] = 1
    return Bags(words, weights)
