"""Pairs in one HDF5 file, and a digest that tells them from all others.

What is read is checked before it is believed: no links out of the file, the expected types and shapes, and the sha256 of
the contents that was stored with them.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch

from crossattack.datasets import Credit, Pairs
from crossattack.errors import DataError
from crossattack.stored import in_batches

MOST_BYTES = 16 * 2**30  # of one array: a damaged header must not ask for all memory
ARRAYS = {"images": (np.uint8, 4), "labels": (np.bool_, 2), "groups": (np.int64, 1), "words": (np.uint8, 1), "junk": (np.bool_, 2)}


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Write the pairs; equal pairs make equal files."""
    with h5py.File(path, "w") as file:
        for name, array in {"images": pairs.pixels().numpy(), **other_arrays(pairs)}.items():
            packing = (
                {"chunks": (64, *array.shape[1:]), "compression": "gzip", "compression_opts": 1}
                if array.ndim > 1 and len(pairs) >= 64
                else {}
            )
            file.create_dataset(name, data=array, track_times=False, **packing)
        file.attrs["sha256"] = digest(pairs)


def read_pairs(path: Path) -> Pairs:
    """Read them back; `DataError` where the file is not whole."""
    try:
        with h5py.File(path, "r") as file:
            arrays = {name: read_array(file, name) for name in ARRAYS if name != "junk" or name in file}
            expected = file.attrs["sha256"]
        notes = json.loads(arrays["words"].tobytes())
        credits = [Credit(*credit) for credit in notes["credits"]]
        pairs = Pairs(
            torch.from_numpy(arrays["images"]),
            tuple(text if isinstance(text, str) else tuple(text) for text in notes["texts"]),
            torch.from_numpy(arrays["labels"]),
            torch.from_numpy(arrays["groups"]),
            tuple(notes["label_names"]),
            tuple(credits[number] for number in notes["credit_of"]),
            torch.from_numpy(arrays["junk"]) if "junk" in arrays else None,
        )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
        raise DataError(f"{path.name}: a whole file of pairs wanted, a damaged one got ({error}); delete it to build it again.") from error
    if digest(pairs) != expected:
        raise DataError(f"{path.name}: contents with sha256 {str(expected)[:12]}... wanted, others got; delete the file to build it again.")
    return pairs


def digest(pairs: Pairs) -> str:
    """The sha256 of everything that the pairs hold; equal on every machine."""
    running = hashlib.sha256()
    running.update(f"images {tuple(pairs.images.shape)} |u1".encode())
    for batch in in_batches(pairs.images):
        running.update(batch.contiguous().numpy().data)
    for name, array in other_arrays(pairs).items():
        running.update(f"{name} {array.shape} {array.dtype.str}".encode())
        running.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return running.hexdigest()


def other_arrays(pairs: Pairs) -> dict[str, np.ndarray]:
    """All but the pictures as three arrays, four where there is junk; everything that is words goes into one, as JSON."""
    credits = list(dict.fromkeys(pairs.credits))
    numbers = {credit: number for number, credit in enumerate(credits)}
    notes = {
        "texts": [plain(text) for text in pairs.texts],
        "label_names": pairs.label_names,
        "credits": [(credit.source, credit.licence) for credit in credits],
        "credit_of": [numbers[credit] for credit in pairs.credits],
    }
    words = np.frombuffer(json.dumps(notes).encode(), np.uint8)
    arrays = {"labels": pairs.labels.numpy(), "groups": pairs.groups.numpy().astype("<i8"), "words": words}
    return arrays if pairs.junk is None else {**arrays, "junk": pairs.junk.numpy()}


def plain(text: str | Sequence[str]) -> str | list[str]:
    """A text as JSON holds it."""
    return text if isinstance(text, str) else list(text)


def read_array(file: h5py.File, name: str) -> np.ndarray:
    """One array whose bytes lie in this very file."""
    dtype, axes = ARRAYS[name]
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    stored = file[name]
    if not isinstance(stored, h5py.Dataset) or stored.is_virtual or stored.external:
        raise ValueError(f"{name} lies outside the file")
    if stored.dtype != dtype or stored.ndim != axes or stored.nbytes > MOST_BYTES:
        raise ValueError(f"{name} is {stored.dtype} {stored.shape}")
    return np.asarray(stored[...])
