"""A table of codes that were made elsewhere."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from crossattack.cache import whole_file
from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.endpoint import Similarity
from crossattack.errors import DataError, UsageError
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.progress import Progress
from surrogates.texts import Bags, Texts

ARRAYS = ("image_keys", "image_codes", "text_keys", "text_codes")
KEY = 16  # bytes of a fingerprint


@dataclass(frozen=True)
class CodeTable:
    """Codes by the fingerprint of their item: an answer to each item of the table, and to no other."""

    images: dict[bytes, int]
    texts: dict[bytes, int]
    image_codes: Float[Tensor, "pictures bits"]
    text_codes: Float[Tensor, "texts bits"]
    digest: str
    opaque: bool = True

    @property
    def dim(self) -> int:
        return self.image_codes.shape[1]

    @property
    def similarity(self) -> Similarity:
        return Similarity.HAMMING

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """None: it makes nothing of words."""
        return ()

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        pixels = (255 * images).round().to(torch.uint8)
        return self.image_codes[_rows(self.images, fingerprint_images(pixels), "pictures")].to(images.device)

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        if isinstance(texts, Bags):
            raise UsageError("texts of the table wanted by codes, bags of words got; it has answers to what people sent.")
        return self.text_codes[_rows(self.texts, fingerprint_texts(texts), "texts")]


@dataclass(frozen=True, kw_only=True)
class Codes:
    """A table of codes that were computed elsewhere, to be evaluated: there is no answer to an item that it does not hold.

    path: an .npz with `image_codes` and `text_codes`, (items, bits) of -1 and +1, and the fingerprints of their items as
    `image_keys` and `text_keys`, (items, 16) bytes; `write_table` makes one. An attack asks about pictures that nobody has
    encoded yet, so none can be run on a table; `crossattack targets eval codes` says how good its codes are.
    """

    brought: ClassVar[bool] = True
    opaque: ClassVar[bool] = True
    path: str = ""

    @property
    def unfit(self) -> str:
        """Why no attack can be run on it."""
        return "target: one that answers new items wanted for an attack, codes got, a table; try `crossattack targets eval codes`."

    def load(self, train: Pairs, *, device: str, progress: Progress) -> CodeTable:
        """The table. `UsageError` where there is no such file, `DataError` where it holds something else."""
        if not Path(self.path).is_file():
            raise UsageError(f"`path` of codes: an .npz with {', '.join(ARRAYS)} wanted, no file at {self.path!r}; see docs/own-model.md.")
        arrays = read_table(Path(self.path))
        rows = [{key.tobytes(): row for row, key in enumerate(arrays[name])} for name in ("image_keys", "text_keys")]
        codes = [torch.from_numpy(arrays[name]).float() for name in ("image_codes", "text_codes")]
        return CodeTable(rows[0], rows[1], codes[0], codes[1], _digest(arrays))


def write_table(path: Path, pairs: Pairs, images: Any, texts: Any) -> None:
    """Write the table that `codes` reads: row i of either is the code of item i of the pairs, of -1 and +1 or relaxed."""
    sides = [harden(torch.as_tensor(np.asarray(codes)).float()).numpy() for codes in (images, texts)]
    keys = [
        np.frombuffer(b"".join(found), np.uint8).reshape(-1, KEY)
        for found in (fingerprint_images(pairs.images), fingerprint_texts(pairs.texts))
    ]
    if any(len(codes) != len(pairs) or codes.ndim != 2 for codes in sides):
        got = " and ".join(str(codes.shape) for codes in sides)
        raise UsageError(f"a code for each of {len(pairs)} pictures and texts wanted, shapes {got} got; give one row an item.")
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, image_keys=keys[0], image_codes=sides[0], text_keys=keys[1], text_codes=sides[1])


def read_table(path: Path) -> dict[str, ndarray]:
    """The arrays of a table, checked; nothing in it is run."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, AttributeError) as error:
        says = " ".join(str(error).split())
        raise DataError(f"{path}: an .npz with {', '.join(ARRAYS)} wanted, got: {says:.160}.") from error
    for side in ("image", "text"):
        keys, codes = arrays[f"{side}_keys"], arrays[f"{side}_codes"]
        if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY or codes.ndim != 2 or len(codes) != len(keys):
            raise DataError(
                f"{path}: {KEY} bytes of key a code wanted, {keys.dtype} {keys.shape} for {side}s {codes.shape} got; write it again."
            )
        if codes.dtype.kind not in "if" or not np.isin(codes, (-1, 1)).all():
            raise DataError(
                f"{path}: codes of -1 and +1 wanted, other values got among those of {side}s; bits of 0 and 1 are `2 * bits - 1`."
            )
    if arrays["image_codes"].shape[1] != arrays["text_codes"].shape[1]:
        widths = f"{arrays['image_codes'].shape[1]} and {arrays['text_codes'].shape[1]}"
        raise DataError(f"{path}: codes of one length wanted, {widths} bits got; write it again.")
    return arrays


def _rows(known: dict[bytes, int], keys: Sequence[bytes], kind: str) -> list[int]:
    """Where the codes of these items are; `UsageError` for one that the table does not hold."""
    if new := len(set(keys) - known.keys()):
        raise UsageError(f"{kind} of the table wanted by codes, {new} of {len(set(keys))} got are not in it; nothing here can encode them.")
    return [known[key] for key in keys]


def _digest(arrays: dict[str, ndarray]) -> str:
    running = hashlib.sha256()
    for name in ARRAYS:
        running.update(f"{name} {arrays[name].shape}".encode() + np.ascontiguousarray(arrays[name].astype(np.int16)).tobytes())
    return running.hexdigest()[:16]
