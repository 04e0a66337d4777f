"""Bags of words through a multi-layer perceptron."""

from collections import Counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.texts import Bags, Texts, words_of


class BagOfWords(nn.Module):
    """A 0/1 bag over the tower's own vocabulary, then one hidden layer with ReLU; unknown words count for nothing.

    A `Bags` keeps its weights: those of words that the vocabulary shares are passed on, so gradients reach them.
    """

    def __init__(self, vocabulary: list[str], features: int = 1024) -> None:
        super().__init__()
        self.vocabulary, self.features = tuple(vocabulary), features
        self._position = {word: i for i, word in enumerate(self.vocabulary)}
        self.layers = nn.Sequential(nn.Linear(len(self.vocabulary), features), nn.ReLU(inplace=True))

    @classmethod
    def for_texts(cls, texts: Texts, *, least: int = 2, features: int = 1024) -> "BagOfWords":
        """A tower whose vocabulary is every word that stands in at least `least` of these texts, in alphabetical order."""
        if isinstance(texts, Bags):
            return cls(list(texts.words), features)
        counts = Counter(word for text in texts for word in set(words_of(text)))
        return cls(sorted(word for word, count in counts.items() if count >= least), features)

    @property
    def settings(self) -> dict[str, Any]:
        """What builds this architecture again."""
        return {"vocabulary": list(self.vocabulary), "features": self.features}

    def forward(self, texts: Texts) -> Float[Tensor, "items features"]:
        return self.layers(self.bags(texts))  # type: ignore[no-any-return]

    def bags(self, texts: Texts) -> Float[Tensor, "items words"]:
        """The texts over this tower's vocabulary, on its device."""
        device = next(self.parameters()).device
        if isinstance(texts, Bags):
            shared = [(theirs, self._position[word]) for theirs, word in enumerate(texts.words) if word in self._position]
            theirs, ours = (torch.tensor([pair[side] for pair in shared], dtype=torch.long, device=device) for side in (0, 1))
            weights = texts.weights.to(device)
            return weights.new_zeros(len(texts), len(self.vocabulary)).index_copy(1, ours, weights[:, theirs])
        bags = torch.zeros(len(texts), len(self.vocabulary))
        for item, text in enumerate(texts):
            bags[item, [self._position[word] for word in words_of(text) if word in self._position]] = 1
        return bags.to(device)
