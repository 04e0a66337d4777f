"""Fingerprints: the key under which an item is known to the ledger, 16 bytes of BLAKE2b over what is sent.

A picture is its dtype, shape and bytes; a text is its canonical JSON, so that "a b" and ["a", "b"] are two texts; a row of
a bag of words is its words and its weights. Two items have one key only where a target cannot tell them apart.
"""

import hashlib
import json

from crossattack.stored import ImageSet, in_batches
from surrogates.texts import Bags, Texts

UINT8 = "|u1"  # as numpy calls it


def fingerprint_images(images: ImageSet) -> list[bytes]:
    """One key a picture, whatever the layout in memory."""
    header = _hash(f"picture|{UINT8}|{list(images.shape[1:])}|".encode())
    return [_extended(header, picture.tobytes()) for batch in in_batches(images) for picture in batch.cpu().contiguous().numpy()]


def fingerprint_texts(texts: Texts) -> list[bytes]:
    """One key a text; strings, lists of words, or bags."""
    if isinstance(texts, Bags):
        weights = texts.weights.detach().cpu().contiguous().numpy()
        header = _hash(f"bag|{json.dumps(texts.words)}|{weights.dtype.str}|{list(weights.shape[1:])}|".encode())
        return [_extended(header, row.tobytes()) for row in weights]
    header = _hash(b"text|")
    return [_extended(header, json.dumps(text if isinstance(text, str) else list(text)).encode()) for text in texts]


def _hash(start: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(start, digest_size=16)


def _extended(header: "hashlib.blake2b", rest: bytes) -> bytes:
    whole = header.copy()
    whole.update(rest)
    return whole.digest()
