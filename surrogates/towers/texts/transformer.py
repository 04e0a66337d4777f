"""A small transformer over words."""

from collections import Counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.texts import Bags, Embedded, Texts, words_of

START, UNKNOWN, ABSENT = 0, 1, 2  # rows of the table before the words': begins every text, stands for any other word, fills up
LONGEST = 64  # words that a tower built from texts reads, at most
SLACK = 4  # words that a text may have more than the longest that the tower was built from


class Transformer(nn.Module):
    """One vector a word and one a place, encoder layers, and the mean over the words and a start mark.

    Unlike a bag of words it reads order and repetitions. A text has always `length` words and a start mark, filled up where
    it is shorter and cut where it is longer, so that what becomes of it does not depend on its neighbours in a batch.
    `Embedded` texts keep their vectors, so gradients reach them.
    """

    def __init__(self, words: list[str], length: int, features: int = 64, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.words, self.length, self.features, self._shape = tuple(words), length, features, (layers, heads)
        self._row = {word: ABSENT + 1 + i for i, word in enumerate(self.words)}
        self.vectors = nn.Embedding(ABSENT + 1 + len(self.words), features)
        self.places = nn.Parameter(0.1 * torch.randn(1 + length, features))
        layer = nn.TransformerEncoderLayer(features, heads, 4 * features, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(features), enable_nested_tensor=False)

    @classmethod
    def for_texts(cls, texts: Texts, *, least: int = 2, **sizes: int) -> "Transformer":
        """A tower that knows every word that stands in at least `least` of these texts, and reads texts as long as they are."""
        if isinstance(texts, Bags):
            return cls(list(texts.words), min(LONGEST, len(texts.words)), **sizes)
        counts = Counter(word for text in texts for word in set(words_of(text)))
        longest = max((len(words_of(text)) for text in texts), default=0)
        return cls(sorted(word for word, count in counts.items() if count >= least), min(LONGEST, longest + SLACK), **sizes)

    @property
    def settings(self) -> dict[str, Any]:
        """What builds this architecture again."""
        layers, heads = self._shape
        return {"words": list(self.words), "length": self.length, "features": self.features, "layers": layers, "heads": heads}

    @property
    def table(self) -> Float[Tensor, "words width"]:
        """The vectors of `words`, in their order."""
        return self.vectors.weight[ABSENT + 1 :]

    @property
    def unknown(self) -> Float[Tensor, " width"]:
        """The vector of all other words."""
        return self.vectors.weight[UNKNOWN]

    def embed(self, texts: Texts) -> Embedded:
        """The vectors of the texts' words, without their places. ValueError for bags of words, which have no order."""
        if isinstance(texts, Bags):
            raise ValueError("texts in words wanted by a transformer, bags of words got; give it strings or lists of words.")
        rows = torch.full((len(texts), self.length), ABSENT)
        for row, text in zip(rows, texts, strict=True):
            known = [self._row.get(word, UNKNOWN) for word in words_of(text)[: self.length]]
            row[: len(known)] = torch.tensor(known, dtype=torch.long)
        rows = rows.to(self.places.device)
        return Embedded(self.vectors(rows), rows != ABSENT)

    def forward(self, texts: Texts | Embedded) -> Float[Tensor, "items features"]:
        """The mean over what the last layer makes of the words; of the start mark alone where a text has none."""
        embedded = texts if isinstance(texts, Embedded) else self.embed(texts)
        items = len(embedded)
        start = self.vectors.weight[START].expand(items, 1, -1)
        present = torch.cat([embedded.present.new_ones(items, 1), embedded.present], dim=1)
        found: Tensor = self.layers(torch.cat([start, embedded.vectors], dim=1) + self.places, src_key_padding_mask=~present)
        weights = present[:, :, None].to(found.dtype)
        return (found * weights).sum(1) / weights.sum(1)
