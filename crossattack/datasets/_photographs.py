"""From what a folder of photographs holds to pairs: a group each, and a credit that says whose they are."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from crossattack.datasets import Credit, Pairs
from crossattack.datasets._processed import Processed
from crossattack.datasets._shelves import NoShelf
from crossattack.errors import PicturesMissing
from crossattack.stored import ImageSet, StoredImages
from surrogates.texts import Text

Told = tuple[tuple[str, str], ...]


def photograph_pairs(
    images: ImageSet, texts: Sequence[Text], labels: Bool[ndarray, "items labels"], names: Sequence[str], credit: Credit, told: Told,
    captions: Sequence[tuple[str, ...]] = (),
) -> Pairs:  # fmt: skip
    """Each picture is a group of its own. Columns that nobody has are left out, as nothing can be found by them.

    `PicturesMissing` where the shelf has none; it has all the rest.
    """
    some = np.asarray(labels.any(0), bool)
    kept = tuple(name for name, has in zip(names, some.tolist(), strict=True) if has)
    groups = torch.arange(len(labels))
    marks, credits = torch.from_numpy(labels[:, some]), (credit,) * len(labels)
    pairs = Pairs(images, tuple(texts), marks, groups, kept, credits, None, told, tuple(captions))
    if isinstance(images, StoredImages) and isinstance(images.shelf, NoShelf):
        raise PicturesMissing(images.shelf.said, pairs)
    return pairs


def processed_pairs(found: Processed, known: dict[int, str], credit: Credit) -> Pairs:
    """The pairs of a processed layout, which does not say what its labels are called. known: populations by how many pairs."""
    told = (*found.told, ("population", population(len(found.labels), known, found.labels)))
    names = numbered_labels(found.labels.shape[1])
    return photograph_pairs(found.images, found.texts, found.labels, names, credit, told, found.captions)


def numbered_labels(count: int) -> tuple[str, ...]:
    """Names for columns of which the file does not say what they are."""
    return tuple(f"label {number:02d}" for number in range(1, count + 1))


def population(items: int, known: dict[int, str], labels: Bool[ndarray, "items labels"]) -> str:
    """How many pairs there are, and which of the field's populations that is: figures of two of them cannot be compared."""
    unlabelled = int(np.sum(~labels.any(1)))
    none = f"; {unlabelled:,} without a label" if unlabelled else ""
    return f"{items:,}: {known.get(items, 'none of ' + ', '.join(f'{size:,}' for size in sorted(known)))}{none}"
