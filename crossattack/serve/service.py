"""The service itself: a target, its own database, and what its answers show of them.

    codes     an item's bits, and searches with distances
    ranking   nothing but the ids of the nearest `top_k`, with the pictures and texts that a user sees

A picture is searched among the database's texts and a text among its pictures, nearest first, ties by id. All items go through
the target in padded batches of one size, so that the same item gets the same bits, here as in any process.
"""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from crossattack.codes import Codes, PackedCodes, hamming, harden, pack
from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.endpoint import Images, Reveals
from crossattack.errors import TargetError, UsageError
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.index import Index
from crossattack.ledger import Modality
from crossattack.serve.accounts import Accounts, Question
from crossattack.serve.rate import Rate
from crossattack.serve.refusals import ItemRefused
from crossattack.serve.tokens import Tokens
from crossattack.targets import Similarity, Target
from surrogates.texts import Text

Operation: TypeAlias = Literal["encode", "search"]
USUAL_HITS = 10


@dataclass(frozen=True, kw_only=True)
class Service:
    """What is served, to whom, and how much of it.

    top_k: hits that a search may show, where only rankings are revealed. batch: items in a request, and in a batch of the target.
    """

    name: str
    target: Target
    database: Pairs
    index: Index
    accounts: Accounts
    tokens: Tokens = field(default_factory=Tokens)
    reveals: Reveals = Reveals.CODES
    top_k: int | None = None
    rate: Rate | None = None
    batch: int = 64
    device: torch.device | str = "cpu"
    lock: threading.Lock = field(default_factory=threading.Lock)  # one batch at a time in the target

    def __post_init__(self) -> None:
        if self.reveals not in (Reveals.CODES, Reveals.RANKING):
            raise UsageError(f"reveals: codes or ranking wanted of a service, {self.reveals.value} got; choose one of those.")
        if self.target.similarity is not Similarity.HAMMING:
            raise UsageError(f"target: one that hashes wanted, {self.name} compares by {self.target.similarity.value}; choose another.")
        if (self.reveals is Reveals.RANKING) != (self.top_k is not None):
            raise UsageError("top_k: a number wanted with `reveals: ranking`, and with nothing else; give both or neither.")
        if self.top_k is not None and not 1 <= self.top_k <= len(self.database):
            raise UsageError(f"top_k: 1 to {len(self.database)} wanted, the size of the database, {self.top_k} got.")

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of the data set's pictures, which all others are resized to."""
        height, width = self.database.images.shape[2:]
        return height, width

    @property
    def most_hits(self) -> int:
        """The largest k that a search may ask for."""
        return self.top_k or len(self.database)

    def info(self) -> dict[str, Any]:
        """What the service says of itself: of its codes, not even their length where it reveals none."""
        return {
            "api": 1,
            "name": self.name,
            "digest": self.target.digest,
            "reveals": self.reveals.value,
            **({"dim": self.target.dim} if self.reveals is Reveals.CODES else {}),
            "top_k": self.top_k,
            "database": {"images": len(self.database.images), "texts": len(self.database.texts)},
            "batch": self.batch,
            "idempotency_seconds": self.accounts.keys_last,
        }

    def answer(
        self, account: str, operation: Operation, items: Images | list[Text], keys: Sequence[str | None], k: int
    ) -> tuple[list[dict[str, Any]], int]:
        """One result an item, counted and kept, and how many of them had been given before. k: of a search."""
        modality: Modality = "images" if isinstance(items, Tensor) else "texts"
        prints = fingerprint_images(items) if isinstance(items, Tensor) else fingerprint_texts(items)
        asked = f"{operation} {modality} {k if operation == 'search' else ''}".encode()
        questions = [
            Question(key, hashlib.blake2b(asked + print_, digest_size=16).digest()) for key, print_ in zip(keys, prints, strict=True)
        ]
        answers = dict(enumerate(self.accounts.known(account, questions)))
        unknown = [position for position, answer in answers.items() if answer is None]
        if unknown:
            some = items[torch.tensor(unknown)] if isinstance(items, Tensor) else [items[position] for position in unknown]
            answers |= zip(unknown, self._compute(operation, modality, some, k), strict=True)
        settling = {position: answer for position, answer in answers.items() if isinstance(answer, bytes)}
        settled = self.accounts.settle(account, modality, [questions[position] for position in settling], list(settling.values()))
        answers |= zip(settling, (answer for answer, _ in settled), strict=True)
        results = [
            answer.body() if isinstance(answer, ItemRefused) else self._shown(operation, answer or b"") for answer in answers.values()
        ]
        return results, sum(again for _, again in settled)

    def _compute(self, operation: Operation, modality: Modality, items: Images | list[Text], k: int) -> list[bytes]:
        """Answers as they are stored: a code's bits, or the ids of the hits followed by their distances."""
        codes = self._codes(modality, items)
        if operation == "encode":
            return [code.tobytes() for code in codes.numpy()]
        distances = hamming(pack(codes), self._packed["texts" if modality == "images" else "images"])
        nearest = [np.argsort(row, kind="stable")[:k] for row in distances]
        return [np.stack([ids, row[ids]]).astype("<i4").tobytes() for ids, row in zip(nearest, distances, strict=True)]

    def _codes(self, modality: Modality, items: Images | list[Text]) -> Codes:
        with self.lock:
            outputs = encode(self.target, modality, items, self.batch, self.device)
        if not outputs.isfinite().all():
            raise TargetError("finite outputs wanted of the target, NaN or infinity got; check its weights and its training.")
        return harden(outputs)

    def _shown(self, operation: Operation, answer: bytes) -> dict[str, Any]:
        """A stored answer, as it is sent."""
        if operation == "encode":
            return {"code": np.frombuffer(answer, np.int8).tolist()}
        ids, distances = np.frombuffer(answer, "<i4").reshape(2, -1).tolist()
        return {"hits": [self._hit(item, distance) for item, distance in zip(ids, distances, strict=True)]}

    def _hit(self, item: int, distance: int) -> dict[str, Any]:
        text: Text = self.database.texts[item]
        near = {"distance": distance} if self.reveals is Reveals.CODES else {}
        return {"id": item, **near, "text": text if isinstance(text, str) else list(text), "image": f"/v1/items/{item}.png"}

    @cached_property
    def _packed(self) -> dict[str, PackedCodes]:
        assert self.index.texts is not None, "a service has texts (`start.build`)"
        return {"images": pack(self.index.images), "texts": pack(self.index.texts)}
