"""The target's own database, encoded once for this machine."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from crossattack.cache import cache_folder, locked, whole_file
from crossattack.codes import Codes, harden
from crossattack.datasets import Pairs
from crossattack.datasets._store import digest
from crossattack.encoding import encode
from crossattack.progress import Progress
from crossattack.targets import Target


@dataclass(frozen=True)
class Index:
    """Codes of the database's pictures and texts, in the order of the database."""

    images: Codes
    texts: Codes


def build_index(target: Target, database: Pairs, *, device: str, progress: Progress) -> Index:
    """The database through the target; not a query, as it is the owner's own. Kept under the digests of both."""
    key = hashlib.sha256(f"{target.digest} {digest(database)}".encode()).hexdigest()[:16]
    path = cache_folder("indexes") / f"{key}.safetensors"
    with locked(path):
        if path.exists():
            with suppress(OSError, SafetensorError, KeyError):  # damaged: it is made again below
                return Index(**load_file(path))
        with progress.stage("encoding the database", 2 * len(database)) as tick:
            images = harden(encode(target, "images", database.images, device=device))
            tick(len(database), "pictures")
            texts = harden(encode(target, "texts", database.texts, device=device))
            tick(len(database), "texts")
        with whole_file(path) as file:
            save_file({"images": images, "texts": texts}, file)
    return Index(images, texts)
