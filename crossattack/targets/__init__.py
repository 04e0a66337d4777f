"""Targets: the systems under test.

A target turns pictures and texts into relaxed codes or features. Normalising, vocabularies and tokens live inside it;
pictures come in [0, 1], texts as people send them. A file of this folder is a frozen dataclass of settings with
`load(train, *, device, progress) -> Target`.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from crossattack.endpoint import Similarity as Similarity
from surrogates.texts import Texts


@runtime_checkable
class Target(Protocol):
    """The system under test. Its outputs carry gradients; who may see those is the threat model's business."""

    @property
    def dim(self) -> int:
        """Bits of a code, length of a feature, number of classes."""
        ...

    @property
    def similarity(self) -> Similarity:
        """How outputs are compared."""
        ...

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that tell this target from every other."""
        ...

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        """Pictures in [0, 1] -> relaxed codes in [-1, 1], or features."""
        ...

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        """Texts -> relaxed codes in [-1, 1], or features; a target without texts says so."""
        ...


def reads_texts(target: object) -> bool:
    """Whether a target has texts at all: one that says `reads_texts = False` is searched with pictures for pictures."""
    return bool(getattr(target, "reads_texts", True))
