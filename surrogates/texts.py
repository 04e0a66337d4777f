"""Texts: what a person would send, and the literature's bag of words.

    "a red square left of a circle"          one string
    ["face", "grin", "smile"]                a list of words (tags)
    Bags(words=("face", "grin"), weights=…)  feature space: a real weight a word, which nobody can send to a service

A text's words are the list's, or the string's in lower case. Turning words into numbers happens inside a tower, whose
vocabulary may differ from the next tower's; a bag therefore carries its words along.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Bool, Float
from torch import Tensor

Text: TypeAlias = str | Sequence[str]


@dataclass(frozen=True)
class Bags:
    """Bags of words in feature space: `weights[i, j]` is the weight of `words[j]` in item i, usually in [0, 1]."""

    words: tuple[str, ...]
    weights: Float[Tensor, "items words"]

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, items: slice) -> "Bags":
        return Bags(self.words, self.weights[items])


@dataclass(frozen=True)
class Embedded:
    """Texts in the feature space of a tower that reads words in order: a vector a word, as far as `present` says there is one.

    What gradients at the words are taken with; it never leaves the process, and only the tower that made it can read it.
    """

    vectors: Float[Tensor, "items words width"]
    present: Bool[Tensor, "items words"]

    def __len__(self) -> int:
        return len(self.vectors)


Texts: TypeAlias = Sequence[Text] | Bags


def words_of(text: Text) -> list[str]:
    """The words of one text, in order."""
    return re.findall(r"\w+", text.lower()) if isinstance(text, str) else list(text)
