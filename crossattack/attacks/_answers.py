"""What an attacker paid for: codes or features of its own pairs, or lists of what the target finds for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float, Int8, Int32, Int64, UInt8
from torch import Tensor

from surrogates.texts import Text


@dataclass(frozen=True)
class CodeAnswers:
    """The attacker's pictures and texts that were queried, and the codes that came back: of pairs, or of more of the one than the other."""

    images: UInt8[Tensor, "images 3 height width"]
    texts: Sequence[Text]
    image_codes: Int8[Tensor, "images bits"]
    text_codes: Int8[Tensor, "texts bits"]


@dataclass(frozen=True)
class ListAnswers:
    """The attacker's pairs that were queried, the ids that each was answered with, and every item of the database so shown.

    image_lists: of texts, for the pictures; text_lists: of pictures, for the texts. shown_*_ids: in ascending order.
    """

    images: UInt8[Tensor, "pairs 3 height width"]
    texts: Sequence[Text]
    image_lists: Int32[Tensor, "pairs top_k"]
    text_lists: Int32[Tensor, "pairs top_k"]
    shown_images: UInt8[Tensor, "shown_images 3 height width"]
    shown_texts: Sequence[Text]
    shown_image_ids: Int64[Tensor, " shown_images"]
    shown_text_ids: Int64[Tensor, " shown_texts"]


@dataclass(frozen=True)
class FeatureAnswers:
    """The attacker's pictures that were queried, and the features that came back; of a target without texts."""

    images: UInt8[Tensor, "pictures 3 height width"]
    features: Float[Tensor, "pictures dim"]


Answers: TypeAlias = CodeAnswers | ListAnswers
