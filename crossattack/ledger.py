"""The ledger: what was asked of a target, what it cost and what came back, in one SQLite file.

    check -> charge -> commit -> ask -> store the answer

The charge is on disk before the item leaves. A process that is killed in between leaves a row in doubt (charged, without
an answer): asked for again, it is sent again under the same idempotency key and costs nothing more. So no charge is ever
lost, and nothing is bought twice. A batch that does not fit is refused whole.

Rows are the truth; the `spent` of an account is checked against them whenever a ledger is opened. A session (one opening
of the file) has a generation: what a resumed run reads again counts as a repeat only as often as one generation asked.
"""

import hashlib
import json
import math
import os
import platform
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

import numpy as np

from crossattack._ledger_file import connect, connect_to_read, explained, transaction
from crossattack._ledger_resends import count_repeated, repeated
from crossattack._ledger_statement import Line, findings, lines
from crossattack.errors import BudgetRefused, LedgerError, UsageError

Modality: TypeAlias = Literal["images", "texts"]
CAPS = {"attacker": "`budget`", "referee": "`evaluation.cap`"}  # the setting behind each account's cap
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Charge:
    """One item paid for. `answered` says whether its answer was in the ledger when it was asked for."""

    id: int
    idempotency_key: str
    answered: bool


@dataclass(frozen=True)
class Bill:
    """What an account has spent, by modality and by phase; repeats cost nothing."""

    cap: int
    per_item: int | None
    spent: int
    images: int
    texts: int
    repeats: int
    phases: dict[str, int]
    resent: int = 0  # of the spent ones: attempts repeated at a service that may have counted the first


@final
class Ledger:
    """The bill of one run against one target. Use it in a `with`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, target_digest: str, generation: int) -> None:
        self._db = connection
        self.path, self.target_digest, self.generation = path, target_digest, generation
        self.owner = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(4)}"

    @classmethod
    def open(cls, path: Path, *, target_digest: str, generation: int | None = None) -> "Ledger":
        """The ledger at `path`, made when it is not there; `LedgerError` where it is another target's, newer, or no ledger.

        Each opening is a new generation. Processes that share one run join the generation of the first.
        """
        connection, generation = connect(path, target_digest, generation)
        return cls(connection, path, target_digest, generation)

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """The ledger at `path`, to be looked at: whatever would change it fails, and not a byte of the file moves."""
        connection, target_digest = connect_to_read(path)
        return cls(connection, path, target_digest, generation=0)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open_account(self, name: str, *, reveals: str, cap: int, per_item: int | None = None) -> None:
        """Open an account, or go on with it. A resumed run may raise its caps; it can lower none below what was spent."""
        if cap < 0 or (per_item is not None and per_item < 0):
            raise UsageError(f"caps of 0 or more wanted for {name!r}, {cap} queries and {per_item} an item got; give a larger budget.")
        with transaction(self._db, self.path):
            known = self._db.execute("SELECT reveals, spent FROM account WHERE name = ?", (name,)).fetchone()
            if known is None:
                row = (name, reveals, cap, per_item)
                self._db.execute("INSERT INTO account(name, reveals, cap, per_item) VALUES (?, ?, ?, ?)", row)
            elif known[0] != reveals:
                raise LedgerError(f"{self.path}: {name!r} was shown {known[0]}, {reveals} wanted; answers of two kinds need two runs.")
            elif known[1] > cap:
                raise LedgerError(
                    f"{self.path}: {name!r} has spent {known[1]} queries, a cap of {cap} wanted; resume with {known[1]} or more."
                )
            else:
                self._db.execute("UPDATE account SET cap = ?, per_item = ? WHERE name = ?", (cap, per_item, name))

    def charge(
        self,
        account: str,
        *,
        phase: str,
        modality: Modality,
        keys: Sequence[bytes],
        items: Sequence[int | None] | None = None,
        fresh: bool = False,
        known_for: float = math.inf,
    ) -> list[Charge]:
        """Pay for a batch: one charge a query, in order, where equal queries share theirs; or `BudgetRefused`, and nothing is paid.

        `items[i]` is the attacked item of this modality on whose behalf query i is asked (its cap is `per_item`), None for
        nobody's. What is known already costs nothing, unless `fresh`: then every query is a draw of its own. A resumed run
        takes up the draws of its former self, in order, before it pays for new ones. `known_for` is how many seconds the
        service knows a charge by its idempotency key; what is in doubt for longer is paid for once more.
        """
        with transaction(self._db, self.path):
            cap, spent, per_item = self._account(account)
            find = self._draws if fresh else self._known
            found: dict[bytes, list[Charge]] = {key: find(account, modality, key) for key in dict.fromkeys(keys)}
            highest = {key: self._highest_draw(account, modality, key) for key in found} if fresh else {}
            (last_id,) = self._db.execute("SELECT coalesce(max(id), 0) FROM charge").fetchone()

            charges: list[Charge] = []
            bought: list[tuple[Any, ...]] = []
            for position, key in enumerate(keys):
                if not found[key]:
                    draw = highest[key] = highest.get(key, 0) + 1 if fresh else 0
                    paid = Charge(last_id + len(bought) + 1, secrets.token_hex(16), answered=False)
                    item = None if items is None else items[position]
                    row = (paid.id, account, phase, modality, key, draw, item, paid.idempotency_key, self.owner, time.time())
                    bought.append(row)
                    found[key].append(paid)
                charges.append(found[key].pop(0) if fresh else found[key][0])

            if known_for < math.inf:
                in_doubt = dict.fromkeys(charge.id for charge in charges if not charge.answered and charge.id <= last_id)
                bought += self._rows(repeated(self._db, in_doubt, known_for), last_id + len(bought))
            if len(bought) > cap - spent:
                raise BudgetRefused(len(bought), cap - spent, cap, CAPS.get(account, "its cap"))
            if per_item is not None:
                self._refuse_items(account, modality, Counter(row[6] for row in bought), per_item)
            self._pay(account, phase, bought, charges)
        return charges

    def charge_again(self, account: str, charges: Sequence[Charge]) -> None:
        """Pay for another attempt at these charges, at a service that may have counted the last; or `BudgetRefused`."""
        with transaction(self._db, self.path):
            cap, spent, per_item = self._account(account)
            (last_id,) = self._db.execute("SELECT max(id) FROM charge").fetchone()
            bought = self._rows(repeated(self._db, [charge.id for charge in charges]), last_id)
            if len(bought) > cap - spent:
                raise BudgetRefused(len(bought), cap - spent, cap, CAPS.get(account, "its cap"))
            if per_item is not None:
                self._refuse_items(account, bought[0][3], Counter(row[6] for row in bought), per_item)
            self._buy(account, bought)
            self._db.executemany("UPDATE charge SET attempts = attempts + 1 WHERE id = ?", [(charge.id,) for charge in charges])

    def store(self, answers: Mapping[int, Array]) -> None:
        """Keep the answers by the ids of their charges. The first answer stays; a second one to the same charge changes nothing."""
        rows = [(charge, answer.dtype.str, json.dumps(answer.shape), answer.tobytes()) for charge, answer in answers.items()]
        with transaction(self._db, self.path):
            self._db.executemany("INSERT INTO answer VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
            self._db.executemany("UPDATE charge SET state = 'answered' WHERE id = ?", [(row[0],) for row in rows])

    def answers(self, charges: Sequence[Charge]) -> list[Array]:
        """The stored answers of these charges, in order; read-only arrays."""
        arrays = {}
        for charge in dict.fromkeys(charge.id for charge in charges):
            row = self._db.execute("SELECT dtype, shape, data FROM answer WHERE charge = ?", (charge,)).fetchone()
            if row is None:
                raise LedgerError(f"{self.path}: charge {charge} has no answer yet; ask for it again, which costs nothing.")
            arrays[charge] = _array(*row)
        return [arrays[charge.id] for charge in charges]

    def remaining(self, account: str) -> int:
        """Queries that are left."""
        cap, spent, _ = self._account(account)
        return cap - spent

    def bill(self, account: str) -> Bill:
        """What the account has spent so far."""
        cap, _, per_item = self._account(account)
        groups = "SELECT phase, modality, count(*) FROM charge WHERE account = ? GROUP BY phase, modality ORDER BY min(id)"
        phases: Counter[str] = Counter()
        modalities: Counter[str] = Counter()
        for phase, modality, count in self._db.execute(groups, (account,)):
            phases[phase] += count
            modalities[modality] += count
        # Within a phase a resumed run asks again what it asked before: the generation that asked most says how often.
        most = "SELECT charge, max(asks) AS asks FROM ask JOIN charge ON id = charge WHERE account = ? GROUP BY charge, ask.phase"
        (repeats,) = self._db.execute(f"SELECT coalesce(sum(asks) - count(DISTINCT charge), 0) FROM ({most})", (account,)).fetchone()
        return Bill(
            cap,
            per_item,
            phases.total(),
            modalities["images"],
            modalities["texts"],
            repeats,
            dict(phases),
            count_repeated(self._db, account),
        )

    def accounts(self) -> tuple[str, ...]:
        """Names of all accounts."""
        return tuple(name for (name,) in self._db.execute("SELECT name FROM account ORDER BY name"))

    def statement(self) -> list[Line]:
        """The bill line by line: by account, phase and modality."""
        with explained(self.path, "read"):
            return lines(self._db)

    def findings(self) -> list[str]:
        """What is wrong with the ledger as it stands, a sentence each; nothing, where it is sound."""
        with explained(self.path, "read"):
            return findings(self._db)

    def known_answers(self, account: str, modality: Modality, keys: Sequence[bytes]) -> list[Array | None]:
        """What a plain query for each key would be answered from the ledger; None where nothing is known."""
        rows = """SELECT dtype, shape, data FROM charge JOIN answer ON charge = id
                  WHERE account = ? AND modality = ? AND key = ? ORDER BY draw LIMIT 1"""
        found = [self._db.execute(rows, (account, modality, key)).fetchone() for key in keys]
        return [row and _array(*row) for row in found]

    def digest(self) -> str:
        """Sixteen hexadecimal digits over what was bought and what came back.

        Left out is what differs between two runs of one seed, or between a run and its resumed self: times, owners,
        attempts, idempotency keys, and the order in which several processes happened to pay.
        """
        running = hashlib.sha256(json.dumps([self.target_digest]).encode())
        for account in self._db.execute("SELECT name, reveals, cap, per_item, spent FROM account ORDER BY name"):
            running.update(json.dumps(account).encode())
        rows = """SELECT account, modality, hex(key), draw, phase, item, state, dtype, shape, hex(data)
                  FROM charge LEFT JOIN answer ON charge = id ORDER BY account, modality, key, draw"""
        for row in self._db.execute(rows):
            running.update(json.dumps(row).encode())
        return running.hexdigest()[:16]

    def _account(self, name: str) -> tuple[int, int, int | None]:
        row = self._db.execute("SELECT cap, spent, per_item FROM account WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise LedgerError(f"{self.path} has no account {name!r}; open it with `open_account`.")
        cap, spent, per_item = row
        return cap, spent, per_item

    def _known(self, account: str, modality: str, key: bytes) -> list[Charge]:
        """The charge that answers a plain query: the first one there is, also where only a fresh one was paid for."""
        rows = """SELECT id, idempotency_key, state = 'answered' FROM charge
                  WHERE account = ? AND modality = ? AND key = ? ORDER BY draw LIMIT 1"""
        return [Charge(id, again, bool(answered)) for id, again, answered in self._db.execute(rows, (account, modality, key))]

    def _draws(self, account: str, modality: str, key: bytes) -> list[Charge]:
        """Fresh draws that are paid for and still to be handed out: a former generation's, and our own that failed."""
        rows = """SELECT id, idempotency_key, state = 'answered' FROM charge
                  WHERE account = ? AND modality = ? AND key = ? AND draw > 0
                    AND ((state = 'charged' AND owner = ?)
                         OR NOT EXISTS (SELECT 1 FROM ask WHERE ask.charge = charge.id AND ask.generation = ?))
                  ORDER BY draw"""
        draws = self._db.execute(rows, (account, modality, key, self.owner, self.generation))
        return [Charge(id, again, bool(answered)) for id, again, answered in draws]

    def _highest_draw(self, account: str, modality: str, key: bytes) -> int:
        rows = "SELECT coalesce(max(draw), 0) FROM charge WHERE account = ? AND modality = ? AND key = ?"
        return int(self._db.execute(rows, (account, modality, key)).fetchone()[0])

    def _refuse_items(self, account: str, modality: str, wanted: Counter[int | None], per_item: int) -> None:
        rows = "SELECT count(*) FROM charge WHERE account = ? AND modality = ? AND item = ?"
        for item, count in wanted.items():
            if item is not None:
                (spent,) = self._db.execute(rows, (account, modality, item)).fetchone()
                if count > per_item - spent:
                    raise BudgetRefused(count, max(per_item - spent, 0), per_item, f"`per_item` (of {modality}, item {item})")

    def _rows(self, repeated: list[tuple[Any, ...]], last_id: int) -> list[tuple[Any, ...]]:
        """Rows of repeated attempts, with all that a charge is bought with."""
        return [(last_id + number, *row, self.owner, time.time()) for number, row in enumerate(repeated, start=1)]

    def _buy(self, account: str, bought: list[tuple[Any, ...]]) -> None:
        columns = "id, account, phase, modality, key, draw, item, idempotency_key, owner, time"
        self._db.executemany(f"INSERT INTO charge({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", bought)
        self._db.execute("UPDATE account SET spent = spent + ? WHERE name = ?", (len(bought), account))

    def _pay(self, account: str, phase: str, bought: list[tuple[Any, ...]], charges: list[Charge]) -> None:
        self._buy(account, bought)
        new = {row[0] for row in bought}
        in_doubt = {charge.id for charge in charges if not charge.answered} - new
        self._db.executemany("UPDATE charge SET attempts = attempts + 1, owner = ? WHERE id = ?", [(self.owner, id) for id in in_doubt])
        # Asks that nobody answered are no repeats: a run that met a failure has the same bill as one that met none.
        self._db.executemany("DELETE FROM ask WHERE charge = ?", [(id,) for id in in_doubt])
        asks = Counter(charge.id for charge in charges)
        self._db.executemany(
            "INSERT INTO ask VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET asks = asks + excluded.asks",
            [(id, self.generation, phase, count) for id, count in asks.items()],
        )


def _array(dtype: str, shape: str, data: bytes) -> Array:
    return np.frombuffer(data, np.dtype(dtype)).reshape(json.loads(shape))
