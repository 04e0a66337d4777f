"""Your own pictures, texts and labels as pairs with roles.

pairs = pairs_of(images, texts, labels)
split = split_of(pairs, query=200, attacker=500)
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from crossattack.datasets import Pairs, Split
from crossattack.datasets._splits import split_by_group
from crossattack.errors import UsageError
from surrogates.texts import Text


def pairs_of(images: Any, texts: Sequence[Text], labels: Any, groups: Any = None, label_names: Sequence[str] = ()) -> Pairs:
    """Pictures with their texts, item by item; `UsageError` where they do not fit together.

    images: uint8 (items, 3, height, width), a tensor or an array. texts: strings or lists of words; none for pictures alone.
    labels: the number of each item's class (items,), or marks (items, labels) where an item may have several.
    groups: a number for each thing depicted (items,); the items of one group get one role. Without it each item is its own.
    """
    pictures = torch.as_tensor(images)
    if pictures.dtype is not torch.uint8 or pictures.ndim != 4 or pictures.shape[1] != 3:
        raise UsageError(f"images: uint8 (items, 3, height, width) wanted, {_shape(pictures)} got; round pictures to what a file holds.")
    if isinstance(texts, str):
        raise UsageError(f"texts: a list of texts wanted, one text {texts!r:.40} got; put it in a list.")
    items = len(pictures)
    marks = _marks(torch.as_tensor(labels))
    of = torch.arange(items) if groups is None else torch.as_tensor(groups)
    if of.ndim != 1 or of.is_floating_point():
        raise UsageError(f"groups: whole numbers (items,) wanted, {_shape(of)} got; give each item the number of what it shows.")
    for name, got in (("texts", len(texts) or items), ("labels", len(marks)), ("groups", len(of))):
        if got != items:
            raise UsageError(f"{name}: {items} wanted, as many as there are pictures, {got} got; give one an item.")
    names = tuple(label_names) or tuple(f"label {number}" for number in range(marks.shape[1]))
    if len(names) != marks.shape[1]:
        raise UsageError(f"label_names: {marks.shape[1]} wanted, as many as there are labels, {len(names)} got; name each, or none.")
    return Pairs(pictures.cpu(), tuple(texts), marks, of.to(torch.int64), names)


def split_of(pairs: Pairs, *, query: int, attacker: int, held_back: int = 100, train: int | None = None, seed: int = 0) -> Split:
    """Roles for the pairs, drawn by group: no group is in two roles. What is left is the database; `DataError` if nothing is.

    query: pairs that are attacked. attacker: what the attacker has of its own, to ask about and to learn from. held_back: on which
    the referee measures what the attacker learned. train: items of the database that a target of the suite learns from; None: all.
    """
    most = len(pairs) if train is None else train
    return split_by_group(pairs.groups, query=query, attacker=attacker, held_back=held_back, train=most, seed=seed)


def _marks(labels: Tensor) -> Tensor:
    """Numbers of classes, or marks already -> marks (items, labels)."""
    if labels.ndim == 2 and not labels.is_floating_point():
        return labels.cpu().bool()
    if labels.ndim != 1 or labels.is_floating_point() or (len(labels) and int(labels.min()) < 0):
        raise UsageError(
            f"labels: class numbers from 0 (items,), or marks (items, labels), wanted, {_shape(labels)} got; number the classes."
        )
    return one_hot(labels.cpu().to(torch.int64)).bool()


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
