"""The target's own database, encoded once for this machine."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from crossattack.cache import cache_folder, locked, whole_file
from crossattack.codes import Codes, harden
from crossattack.datasets import Pairs
from crossattack.datasets._store import digest
from crossattack.encoding import encode
from crossattack.endpoint import Images, Similarity
from crossattack.ledger import Modality
from crossattack.progress import Progress
from crossattack.targets import Target
from surrogates.texts import Texts

Features: TypeAlias = Float[Tensor, "items dim"]
SAMPLE = 32  # items by which a kept index is recognised


@dataclass(frozen=True)
class Index:
    """What the database is searched by, in its order: codes or features of pictures, and of texts where there are any.

    keys: fingerprints, where the database was asked for.
    """

    images: Codes | Features
    texts: Codes | Features | None
    keys: Mapping[Modality, list[bytes]] = field(default_factory=dict)
    similarity: Similarity = Similarity.HAMMING


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
                kept = Index(stored["images"], stored.get("texts"), similarity=target.similarity)
                if _still_true(kept, target, database.take(torch.arange(min(SAMPLE, len(database)))), device):
                    return kept
        made = dict[Modality, Tensor]()
        with progress.stage("encoding the database", sum(len(items) for _, items in sides(database))) as tick:
            for modality, items in sides(database):
                made[modality] = compared(target, encode(target, modality, items, device=device))
                tick(len(items), "pictures" if modality == "images" else "texts")
        with whole_file(path) as file:
            save_file({str(modality): outputs for modality, outputs in made.items()}, file)
    return Index(made["images"], made.get("texts"), similarity=target.similarity)


def compared(target: Target, outputs: Float[Tensor, "items dim"]) -> Codes | Features:
    """What a target makes of items, as it compares them: codes where it hashes, else the features themselves."""
    return harden(outputs) if target.similarity is Similarity.HAMMING else outputs.float()


def _still_true(kept: Index, target: Target, first: Pairs, device: str) -> bool:
    stored: dict[Modality, Tensor | None] = {"images": kept.images, "texts": kept.texts}
    pairs = [(stored[modality], compared(target, encode(target, modality, items, device=device))) for modality, items in sides(first)]
    return all(known is not None and torch.equal(known[: len(first)], again) for known, again in pairs)


def sides(pairs: Pairs) -> tuple[tuple[Modality, Images | Texts], ...]:
    """Pictures, and texts where there are any, with the word for either."""
    return (("images", pairs.images), ("texts", pairs.texts)) if pairs.texts else (("images", pairs.images),)
