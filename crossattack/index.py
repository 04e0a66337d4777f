"""The target's own database, encoded once for this machine."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from crossattack.cache import cache_folder, locked, whole_file
from crossattack.codes import Codes, harden
from crossattack.datasets import Pairs
from crossattack.datasets._store import digest
from crossattack.encoding import encode
from crossattack.endpoint import Images
from crossattack.ledger import Modality
from crossattack.progress import Progress
from crossattack.targets import Target
from surrogates.texts import Texts

SAMPLE = 32  # items by which a kept index is recognised


@dataclass(frozen=True)
class Index:
    """Codes of the database's pictures and texts, in the order of the database; `keys`: fingerprints, where they were asked for."""

    images: Codes
    texts: Codes
    keys: Mapping[Modality, list[bytes]] = field(default_factory=dict)


def build_index(target: Target, database: Pairs, *, device: str, progress: Progress) -> Index:
    """The database through the target; not a query, as it is the owner's own. Kept under the digests of both.

    A target names its own digest, so what is kept is believed only where its first items are still what the target makes
    of them.
    """
    key = hashlib.sha256(f"{target.digest} {target.dim} {digest(database)}".encode()).hexdigest()[:16]
    path = cache_folder("indexes") / f"{key}.safetensors"
    with locked(path):
        if path.exists():
            with suppress(OSError, SafetensorError, KeyError):  # damaged: it is made again below
                stored = load_file(path)
                kept = Index(stored["images"], stored["texts"])
                if _still_true(kept, target, database.take(torch.arange(min(SAMPLE, len(database)))), device):
                    return kept
        with progress.stage("encoding the database", 2 * len(database)) as tick:
            images = harden(encode(target, "images", database.images, device=device))
            tick(len(database), "pictures")
            texts = harden(encode(target, "texts", database.texts, device=device))
            tick(len(database), "texts")
        with whole_file(path) as file:
            save_file({"images": images, "texts": texts}, file)
    return Index(images, texts)


def _still_true(kept: Index, target: Target, first: Pairs, device: str) -> bool:
    images, texts = (harden(encode(target, modality, items, device=device)) for modality, items in sides(first))
    return torch.equal(kept.images[: len(first)], images) and torch.equal(kept.texts[: len(first)], texts)


def sides(pairs: Pairs) -> tuple[tuple[Modality, Images | Texts], ...]:
    """Pictures and texts with the word for either."""
    return ("images", pairs.images), ("texts", pairs.texts)
