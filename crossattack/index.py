"""The target's own database, encoded once for this machine."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from crossattack.cache import cache_folder, locked, whole_file
from crossattack.codes import Codes, harden
from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.progress import Progress
from crossattack.targets import Target


@dataclass(frozen=True)
class Index:
    """Codes of the database's pictures and texts, in the order of the database."""

    images: Codes
    texts: Codes


def build_index(target: Target, database: Pairs, data_digest: str, *, device: str, progress: Progress) -> Index:
    """The database through the target; not a query, as it is the owner's own. Kept under the digests of both."""
    key = hashlib.sha256(f"{target.digest} {data_digest}".encode()).hexdigest()[:16]
    path = cache_folder("indexes") / f"{key}.npz"
    with locked(path):
        if path.exists():
            try:
                with np.load(path) as stored:
                    return Index(torch.from_numpy(stored["images"]), torch.from_numpy(stored["texts"]))
            except (OSError, ValueError, KeyError, EOFError):
                path.unlink()  # damaged; it is made again below
        with progress.stage("encoding the database", 2 * len(database)) as tick:
            images = harden(encode(target, "images", database.images, device=device))
            tick(len(database), "pictures")
            texts = harden(encode(target, "texts", database.texts, device=device))
            tick(len(database), "texts")
        with whole_file(path) as file, open(file, "wb") as stream:
            np.savez(stream, images=images.numpy(), texts=texts.numpy())
    return Index(images, texts)
