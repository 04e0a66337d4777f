"""The catalogue: the target's own database, as its users can search it and see it."""

from dataclasses import dataclass

from jaxtyping import Int32, Int64
from numpy import ndarray
from torch import Tensor

from crossattack.codes import Codes, nearest_ids
from crossattack.encoding import take_images, take_texts
from crossattack.endpoint import Images
from crossattack.ledger import Modality
from crossattack.stored import ImageSet
from surrogates.texts import Texts


@dataclass(frozen=True)
class Catalogue:
    """Pictures and texts with the codes by which they are found. An id is a position; a picture finds texts, a text pictures."""

    images: ImageSet
    texts: Texts
    image_codes: Codes
    text_codes: Codes

    def __len__(self) -> int:
        return len(self.image_codes)

    def search(self, modality: Modality, codes: Codes, top_k: int) -> Int32[ndarray, "queries top_k"]:
        """Ids of what queries of this modality find, nearest first; of equal Hamming distances the smaller id first."""
        return nearest_ids(codes, self.text_codes if modality == "images" else self.image_codes, top_k)

    def shown_images(self, ids: Int64[Tensor, " shown"]) -> Images:
        """The pictures with these ids."""
        return take_images(self.images, ids)

    def shown_texts(self, ids: Int64[Tensor, " shown"]) -> Texts:
        """The texts with these ids."""
        return take_texts(self.texts, ids)
