"""What an account has spent, summed up from its rows; and one digest of all that was bought."""

import hashlib
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass

from crossattack._ledger_resends import count_repeated


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


def bill(db: sqlite3.Connection, account: str, cap: int, per_item: int | None) -> Bill:
    """The account's bill. cap, per_item: its caps, as its row says them."""
    groups = "SELECT phase, modality, count(*) FROM charge WHERE account = ? GROUP BY phase, modality ORDER BY min(id)"
    phases: Counter[str] = Counter()
    modalities: Counter[str] = Counter()
    for phase, modality, count in db.execute(groups, (account,)):
        phases[phase] += count
        modalities[modality] += count
    # Within a phase a resumed run asks again what it asked before: the generation that asked most says how often.
    most = "SELECT charge, max(asks) AS asks FROM ask JOIN charge ON id = charge WHERE account = ? GROUP BY charge, ask.phase"
    (repeats,) = db.execute(f"SELECT coalesce(sum(asks) - count(DISTINCT charge), 0) FROM ({most})", (account,)).fetchone()
    return Bill(
        cap=cap,
        per_item=per_item,
        spent=phases.total(),
        images=modalities["images"],
        texts=modalities["texts"],
        repeats=repeats,
        phases=dict(phases),
        resent=count_repeated(db, account),
    )


def digest(db: sqlite3.Connection, target_digest: str) -> str:
    """Sixteen hexadecimal digits over what was bought and what came back.

    Left out is what differs between two runs of one seed, or between a run and its resumed self: times, owners,
    attempts, idempotency keys, and the order in which several processes happened to pay.
    """
    running = hashlib.sha256(json.dumps([target_digest]).encode())
    for account in db.execute("SELECT name, reveals, cap, per_item, spent FROM account ORDER BY name"):
        running.update(json.dumps(account).encode())
    rows = """SELECT account, modality, hex(key), draw, phase, item, state, dtype, shape, hex(data)
              FROM charge LEFT JOIN answer ON charge = id ORDER BY account, modality, key, draw"""
    for row in db.execute(rows):
        running.update(json.dumps(row).encode())
    return running.hexdigest()[:16]
