"""Sending again what a service may have counted already: another attempt, another charge.

A service that knows a request by its idempotency key counts it once, however often it is sent. One that does not (or no
longer does, its memory being bounded) may have counted the attempt whose answer was lost. So a repeated attempt has a row
of its own: it is `key#2`, `key#3`, ... of the charge that it repeats, and never has an answer, which the first row gets.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterable
from typing import Any

COLUMNS = "account, phase, modality, item, key, draw, idempotency_key, attempts, time"


def repeated(db: sqlite3.Connection, charges: Iterable[int], known_for: float = 0) -> list[tuple[Any, ...]]:
    """Rows that pay for another attempt at these charges, less those that the service still knows by their keys.

    known_for: seconds for which it does. Columns as `Ledger.charge` buys them, from `account` to `idempotency_key`.
    """
    rows = []
    for charge in charges:
        row = db.execute(f"SELECT {COLUMNS} FROM charge WHERE id = ?", (charge,)).fetchone()
        account, phase, modality, item, key, draw, idempotency_key, attempts, paid = row
        if time.time() - paid < known_for:
            continue
        again = hashlib.blake2b(f"again|{key.hex()}|{draw}|{attempts}".encode(), digest_size=16).digest()
        rows.append((account, phase, modality, again, 0, item, f"{idempotency_key}#{attempts + 1}"))
    return rows


def count_repeated(db: sqlite3.Connection, account: str) -> int:
    """How many charges of an account paid for another attempt."""
    (count,) = db.execute("SELECT count(*) FROM charge WHERE account = ? AND instr(idempotency_key, '#')", (account,)).fetchone()
    return int(count)
