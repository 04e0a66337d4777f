"""A ledger's statement: what each account spent, phase by phase, and whether the books are in order."""

import sqlite3
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One account's queries of one modality in one phase.

    spent: charges. repeats: asked again at no cost. in_doubt: charged and, so far, without an answer. attempts: how often
    they were sent, which is what a service that knows no idempotency keys would count.
    """

    account: str
    phase: str
    modality: str
    spent: int
    repeats: int
    in_doubt: int
    attempts: int


def lines(db: sqlite3.Connection) -> list[Line]:
    """Every line there is something to say of, in the order in which things were first bought; a repeat stands where it was asked."""
    repeats = _repeats(db)
    bought = """SELECT account, phase, modality, count(*), sum(state = 'charged'), sum(attempts)
                FROM charge GROUP BY account, phase, modality ORDER BY account, min(id)"""
    found = [
        Line(account, phase, modality, spent, repeats.pop((account, phase, modality), 0), in_doubt, attempts)
        for account, phase, modality, spent, in_doubt, attempts in db.execute(bought)
    ]
    return found + [Line(*where, spent=0, repeats=count, in_doubt=0, attempts=0) for where, count in sorted(repeats.items()) if count]


def findings(db: sqlite3.Connection) -> list[str]:
    """SQLite's own integrity check, then what it cannot know: counts, and answers without a row or rows without theirs."""
    found = [f"SQLite's integrity check says: {says}" for (says,) in db.execute("PRAGMA integrity_check") if says != "ok"]
    count = "(SELECT count(*) FROM charge WHERE account = name)"
    accounts = db.execute(f"SELECT name, cap, spent, {count} FROM account").fetchall()
    found += [f"{name!r} says {spent} spent, its rows say {rows}" for name, _, spent, rows in accounts if spent != rows]
    found += [f"{name!r} has {rows} rows on a cap of {cap}" for name, cap, _, rows in accounts if rows > cap]
    for sentence, question in (
        ("answers belong to no charge", "SELECT count(*) FROM answer WHERE charge NOT IN (SELECT id FROM charge)"),
        (
            "charges say answered and have no answer",
            "SELECT count(*) FROM charge WHERE state = 'answered' AND id NOT IN (SELECT charge FROM answer)",
        ),
        ("charges have an answer and do not say so", "SELECT count(*) FROM charge JOIN answer ON id = charge WHERE state != 'answered'"),
    ):
        (number,) = db.execute(question).fetchone()
        found += [f"{number} {sentence}"] if number else []
    return found


def _repeats(db: sqlite3.Connection) -> Counter[tuple[str, str, str]]:
    """Asks beyond the first of each charge. Within a phase, the generation that asked most says how often."""
    rows = """SELECT id, account, modality, charge.phase = ask.phase AS own, ask.phase, max(asks) FROM ask JOIN charge ON id = charge
              GROUP BY id, ask.phase ORDER BY id, own DESC, ask.phase"""
    repeats, known = Counter[tuple[str, str, str]](), set[int]()
    for charge, account, modality, _, phase, asks in db.execute(rows):
        repeats[account, phase, modality] += asks - (charge not in known)
        known.add(charge)
    return repeats
