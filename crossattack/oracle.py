"""The oracle: the only door to the target that an attacker has, and the referee's door beside it.

    with Ledger.open(path, target_digest=target.digest) as ledger:
        oracle = Oracle(ledger, LocalEndpoint(target), budget=2000)
        answer = oracle.query_images(images, phase="mining")     # uint8, as a file holds them
        answer.codes, oracle.remaining

Whatever is asked goes through the ledger: charged before it is sent, refused whole where it does not fit, answered from the
ledger where it is known. The two doors pay from two accounts and share no answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from crossattack.catalogue import Catalogue
from crossattack.codes import Codes, harden
from crossattack.encoding import BATCH_SIZE, encode, take_images, take_texts
from crossattack.endpoint import Endpoint, Images, Reply, Request, Showcase, Terms
from crossattack.endpoint import Reveals as Reveals
from crossattack.errors import BudgetRefused, CrossattackError, LedgerError, TargetError, UsageError
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.ledger import Array, Charge, Ledger, Modality
from crossattack.targets import Similarity, Target
from surrogates.texts import Bags, Texts

Positions: TypeAlias = Sequence[int] | Int64[Tensor, " items"] | None  # of the attacked items that queries are for
Take: TypeAlias = Callable[[Tensor], Images | Texts]
DTYPES: Final[Mapping[Reveals, np.dtype[Any]]] = {
    Reveals.CODES: np.dtype(np.int8),
    Reveals.RANKING: np.dtype(np.int32),
    Reveals.FEATURES: np.dtype(np.float32),
}
FINDS: Final[Mapping[Modality, Modality]] = {"images": "texts", "texts": "images"}  # what a query of that modality is answered with


@dataclass(frozen=True)
class Answer:
    """What came back for a batch, in its order."""

    reveals: Reveals
    values: Tensor  # (items, dim)

    @property
    def codes(self) -> Codes:
        """One code a query, where the target reveals codes."""
        return self._of(Reveals.CODES)

    @property
    def features(self) -> Float[Tensor, "items dim"]:
        """One feature a query, where the target reveals features."""
        return self._of(Reveals.FEATURES)

    @property
    def ids(self) -> Int32[Tensor, "items top_k"]:
        """One list of ids a query, nearest first, where the target reveals its ranking."""
        return self._of(Reveals.RANKING)

    def _of(self, reveals: Reveals) -> Tensor:
        if reveals is not self.reveals:
            raise UsageError(f"{reveals.value} wanted, this target reveals {self.reveals.value}; use those, or another threat model.")
        return self.values


@dataclass(frozen=True)
class LocalEndpoint:
    """A target in this process, asked in fixed padded batches.

    catalogue, top_k: what it searches and how much of the list it shows, where it reveals its ranking; None: all of it.
    """

    target: Target
    reveals: Reveals = Reveals.CODES
    batch_size: int = BATCH_SIZE
    device: torch.device | str = "cpu"
    catalogue: Catalogue | None = None
    top_k: int | None = None

    def __post_init__(self) -> None:
        if self.reveals not in DTYPES:
            choices = " or ".join(reveals.value for reveals in DTYPES)
            raise UsageError(f"a target in this process reveals {choices}, {self.reveals.value} wanted; choose one of those.")
        if self.reveals is Reveals.RANKING and self.catalogue is None:
            raise UsageError("a database to search wanted for a ranking, none got; give the endpoint a `catalogue`.")
        if self.catalogue is not None and not 1 <= (self.top_k or 1) <= len(self.catalogue):
            raise UsageError(f"oracle.top_k: 1 to {len(self.catalogue)} wanted, the items of the database, {self.top_k} got; or say `all`.")
        if self.reveals is not Reveals.FEATURES and self.target.similarity is not Similarity.HAMMING:
            wanted, got = "codes wanted of a hashing target", self.target.similarity.value
            raise UsageError(f"{wanted}, this one compares by {got}; choose `reveals: features` or another target.")

    @property
    def terms(self) -> Terms:
        ranked = len(self.catalogue) if self.catalogue and self.reveals is Reveals.RANKING else None
        dim = self.target.dim if ranked is None else self.top_k or ranked
        digest, takes_bags = self.target.digest, bool(getattr(self.target, "vocabulary", True))
        return Terms(digest=digest, reveals=self.reveals, dim=dim, batch_size=self.batch_size, takes_bags=takes_bags, database=ranked)

    def answer(self, request: Request) -> Reply:
        outputs = encode(self.target, request.modality, request.items, self.batch_size, self.device)
        if not outputs.isfinite().all():
            raise TargetError("finite outputs wanted of the target, NaN or infinity got; check its weights and its training.")
        if self.reveals is Reveals.FEATURES:
            return list(outputs.float().numpy())
        if self.reveals is Reveals.RANKING and self.catalogue:
            return list(self.catalogue.search(request.modality, harden(outputs), self.terms.dim))
        return list(harden(outputs).numpy())

    def shown_images(self, ids: Int64[Tensor, " shown"]) -> Images:
        assert self.catalogue is not None, "ids come from a ranking"
        return self.catalogue.shown_images(ids)

    def shown_texts(self, ids: Int64[Tensor, " shown"]) -> Texts:
        assert self.catalogue is not None, "ids come from a ranking"
        return self.catalogue.shown_texts(ids)


@final
class Oracle:
    """The attacker's door: answers to queries, as many as the budget has."""

    def __init__(self, ledger: Ledger, endpoint: Endpoint, *, budget: int, per_item: int | None = None) -> None:
        self._account = _Account(ledger, endpoint, "attacker", budget, per_item)

    @property
    def reveals(self) -> Reveals:
        """What an answer shows."""
        return self._account.terms.reveals

    @property
    def remaining(self) -> int:
        """Queries that are left of the budget."""
        return self._account.remaining

    @property
    def target_digest(self) -> str:
        """What tells this target from others: it names what was learned of it."""
        return self._account.terms.digest

    @property
    def cap(self) -> int:
        """The whole budget."""
        return self._account.cap

    @property
    def per_item(self) -> int | None:
        """The most queries on behalf of one attacked item, if that is capped."""
        return self._account.per_item

    def query_images(self, images: Tensor, *, phase: str, fresh: bool = False, items: Positions = None) -> Answer:
        """Answers to uint8 pictures (items, 3, height, width).

        `items[i]` is the position of the attacked picture on whose behalf picture i is sent; `fresh` pays for an answer
        that is known already. `BudgetRefused` means that nothing was sent and nothing was charged.
        """
        return self._account.ask_images(images, phase, fresh, items)

    def query_texts(self, texts: Texts, *, phase: str, fresh: bool = False, items: Positions = None) -> Answer:
        """Answers to texts as people send them; bags of words only from a target in this process."""
        return self._account.ask_texts(texts, phase, fresh, items)

    def shown_images(self, ids: Int64[Tensor, " shown"]) -> Images:
        """Pictures of the target's database that a list has shown. Free: they came with the list, which was paid for."""
        return self._account.showcase("images", ids).shown_images(ids)

    def shown_texts(self, ids: Int64[Tensor, " shown"]) -> Texts:
        """Texts of the target's database that a list has shown."""
        return self._account.showcase("texts", ids).shown_texts(ids)


@final
class Referee:
    """The evaluation's door: the same answers on an account of its own, so that judging costs the attacker nothing."""

    def __init__(self, ledger: Ledger, endpoint: Endpoint, *, cap: int) -> None:
        self._account = _Account(ledger, endpoint, "referee", cap, None)

    @property
    def remaining(self) -> int:
        """Queries that are left of the referee's own cap."""
        return self._account.remaining

    @property
    def reveals(self) -> Reveals:
        """What an answer shows: lists only of a service that shows nothing else."""
        return self._account.terms.reveals

    @property
    def takes_bags(self) -> bool:
        """Whether bags of words can be asked about: of a target in this process only."""
        return self._account.terms.takes_bags

    def query_images(self, images: Tensor, *, phase: str, fresh: bool = False) -> Answer:
        """Answers to uint8 pictures (items, 3, height, width)."""
        return self._account.ask_images(images, phase, fresh, None)

    def query_texts(self, texts: Texts, *, phase: str, fresh: bool = False) -> Answer:
        """Answers to texts."""
        return self._account.ask_texts(texts, phase, fresh, None)


class _Account:
    """One account of the ledger and the endpoint that it pays."""

    def __init__(self, ledger: Ledger, endpoint: Endpoint, name: str, cap: int, per_item: int | None) -> None:
        self.ledger, self.endpoint, self.name, self.cap, self.per_item = ledger, endpoint, name, cap, per_item
        self.terms = endpoint.terms
        if self.terms.digest != ledger.target_digest:
            wanted = f"a ledger of target {self.terms.digest} wanted"
            raise LedgerError(f"{wanted}, {ledger.path} is the one of {ledger.target_digest}; open it with this target's digest.")
        self.listed: dict[Modality, set[int]] = {"images": set(), "texts": set()}  # ids that answers have shown
        ledger.open_account(name, reveals=self.terms.said, cap=cap, per_item=per_item)

    @property
    def remaining(self) -> int:
        return self.ledger.remaining(self.name)

    def ask_images(self, images: Tensor, phase: str, fresh: bool, items: Positions) -> Answer:
        if images.dtype is not torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            got = f"{images.dtype} {tuple(images.shape)}"
            raise UsageError(f"uint8 pictures (items, 3, height, width) wanted, {got} got; round them to what a file holds.")
        return self._ask("images", partial(take_images, images), fingerprint_images(images), phase, fresh, items)

    def ask_texts(self, texts: Texts, phase: str, fresh: bool, items: Positions) -> Answer:
        if isinstance(texts, str):
            raise UsageError(f"a list of texts wanted, one text {texts!r:.40} got; put it in a list.")
        if isinstance(texts, Bags) and not self.terms.takes_bags:
            raise UsageError("texts that a person can send wanted, bags of words got; a service takes strings and lists of words.")
        return self._ask("texts", partial(take_texts, texts), fingerprint_texts(texts), phase, fresh, items)

    def _ask(self, modality: Modality, take: Take, keys: list[bytes], phase: str, fresh: bool, items: Positions) -> Answer:
        behalf = None if items is None else [int(item) for item in items]
        if behalf is not None and len(behalf) != len(keys):
            raise UsageError(f"one attacked item a query wanted, {len(behalf)} items for {len(keys)} queries got; give as many.")
        terms: dict[str, Any] = {"items": behalf, "fresh": fresh, "known_for": self.terms.known_for}
        charges = self.ledger.charge(self.name, phase=phase, modality=modality, keys=keys, **terms)
        waiting = list({charge.id: position for position, charge in enumerate(charges) if not charge.answered}.values())
        refused: BudgetRefused | None = None
        for start in range(0, len(waiting), self.terms.batch_size):
            chunk = waiting[start : start + self.terms.batch_size]
            try:
                self._send(modality, take(torch.tensor(chunk)), [charges[position] for position in chunk])
            except BudgetRefused as error:  # of another attempt; the rest of the batch is paid for, so it is asked for
                refused = error
        if refused:
            raise refused
        rows = self.ledger.answers(charges)
        values = np.stack(rows) if rows else np.empty((0, self.terms.dim), DTYPES[self.terms.reveals])
        if self.terms.reveals is Reveals.RANKING:
            self.listed[FINDS[modality]].update(np.unique(values).tolist())
        return Answer(self.terms.reveals, torch.from_numpy(values))

    def showcase(self, modality: Modality, ids: Tensor) -> Showcase:
        """Where to see what lists have listed; what none has is nobody's to see."""
        if unlisted := set(ids.tolist()) - self.listed[modality]:
            raise UsageError(f"ids of {modality} that an answer has listed wanted, {min(unlisted)} got; ask until one lists it.")
        if not isinstance(self.endpoint, Showcase):
            raise UsageError("an endpoint that shows what it lists wanted, one that only says ids got; use another threat model.")
        return self.endpoint

    def _send(self, modality: Modality, items: Images | Texts, charges: list[Charge]) -> None:
        """Ask, look at what came back, store it; what failed stays in doubt and is raised."""

        def charge_again(positions: Sequence[int]) -> None:
            self.ledger.charge_again(self.name, [charges[position] for position in positions])

        reply = self.endpoint.answer(Request(modality, items, tuple(charge.idempotency_key for charge in charges), charge_again))
        if len(reply) != len(charges):
            raise TargetError(f"{len(charges)} answers wanted, {len(reply)} got; nothing of this reply was kept.")
        looked_at = [entry if isinstance(entry, CrossattackError) else self._checked(entry) for entry in reply]
        good = {charge.id: entry for charge, entry in zip(charges, looked_at, strict=True) if not isinstance(entry, CrossattackError)}
        self.ledger.store(good)
        for entry in looked_at:
            if isinstance(entry, CrossattackError):
                raise entry

    def _checked(self, answer: Array) -> Array | TargetError:
        wanted = DTYPES[self.terms.reveals]
        if answer.dtype != wanted or answer.shape != (self.terms.dim,):
            return TargetError(f"{wanted} of length {self.terms.dim} wanted, {answer.dtype} {answer.shape} got; this answer was not kept.")
        if self.terms.reveals is Reveals.CODES and not (np.abs(answer) == 1).all():
            return TargetError("bits of -1 and +1 wanted, other values got; this answer was not kept.")
        if self.terms.reveals is Reveals.RANKING and not self._lists(answer):
            return TargetError("different ids of the database wanted, repeated or impossible ones got; this answer was not kept.")
        return answer

    def _lists(self, ids: Array) -> bool:
        """Whether these can be ids: no two equal, none below 0, none beyond the database."""
        beyond = self.terms.database is not None and ids.max() >= self.terms.database
        return len(np.unique(ids)) == len(ids) and bool(ids.min() >= 0) and not beyond
