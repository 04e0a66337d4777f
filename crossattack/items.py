"""Attacked items on disk: what is saved is what is judged.

One HDF5 group holds one batch or one set of perturbed items: pictures as bytes, texts as people send them, or bags of words
with their words. Reading gives back what was written, to the bit.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import torch

from crossattack.attacks import Perturbed, Pictures, Status, Words
from crossattack.cache import whole_file
from surrogates.texts import Bags


def write(group: h5py.Group, perturbed: Perturbed) -> None:
    """Store perturbed items in an empty group."""
    group.attrs["realisable"] = perturbed.realisable
    group["ids"] = np.array(perturbed.items.ids, np.int64)
    group["status"] = np.array([status.name for status in perturbed.status], dtype=h5py.string_dtype())
    values = perturbed.items.values
    if isinstance(perturbed.items, Pictures):
        group["images"] = perturbed.items.values.numpy()
    elif isinstance(values, Bags):
        group["words"] = np.array(values.words, dtype=h5py.string_dtype())
        group["weights"] = values.weights.numpy()
    else:
        group["texts"] = np.array([json.dumps(text) for text in values], dtype=h5py.string_dtype())


def read(group: h5py.Group) -> Perturbed:
    """The perturbed items of a group that `write` filled."""
    ids = tuple(group["ids"][()].tolist())
    status = tuple(Status[name] for name in group["status"].asstr()[()])
    items: Pictures | Words
    if "images" in group:
        items = Pictures(ids, torch.from_numpy(group["images"][()]))
    elif "weights" in group:
        items = Words(ids, Bags(tuple(group["words"].asstr()[()]), torch.from_numpy(group["weights"][()])))
    else:
        items = Words(ids, tuple(_text(json.loads(line)) for line in group["texts"].asstr()[()]))
    return Perturbed(items, status, bool(group.attrs["realisable"]))


def save(path: Path, perturbed: Perturbed) -> None:
    """Store perturbed items as a file of their own, whole or absent."""
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        write(file, perturbed)


def load(path: Path) -> Perturbed:
    """The perturbed items of a file that `save` wrote."""
    with h5py.File(path) as file:
        return read(file)


def join(batches: list[Perturbed]) -> Perturbed:
    """Batches in their order as one; bags of words get the words of all of them."""
    ids = tuple(i for batch in batches for i in batch.items.ids)
    status = tuple(s for batch in batches for s in batch.status)
    realisable = all(batch.realisable for batch in batches)
    pictures = [batch.items.values for batch in batches if isinstance(batch.items, Pictures)]
    if pictures:
        return Perturbed(Pictures(ids, torch.cat(pictures)), status, realisable)
    values = [batch.items.values for batch in batches if isinstance(batch.items, Words)]
    bags = [value for value in values if isinstance(value, Bags)]
    assert len(bags) in (0, len(values)), "texts are bags of words all or none"
    if bags:
        return Perturbed(Words(ids, _join_bags(bags)), status, realisable)
    return Perturbed(Words(ids, tuple(text for value in values if not isinstance(value, Bags) for text in value)), status, realisable)


def _join_bags(bags: list[Bags]) -> Bags:
    words = tuple(sorted({word for bag in bags for word in bag.words}))
    position = {word: i for i, word in enumerate(words)}
    weights = torch.zeros(sum(len(bag) for bag in bags), len(words))
    row = 0
    for bag in bags:
        weights[row : row + len(bag), [position[word] for word in bag.words]] = bag.weights
        row += len(bag)
    return Bags(words, weights)


def _text(text: str | list[str]) -> str | tuple[str, ...]:
    return text if isinstance(text, str) else tuple(text)
