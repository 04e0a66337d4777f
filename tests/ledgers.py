"""Ledgers for tests: items by number, their codes, and what buys them."""

import sqlite3
from pathlib import Path

import numpy as np

from crossattack.ledger import Charge, Ledger

TARGET = "0123456789abcdef"


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def code(number: int, draw: int = 0) -> np.ndarray:
    return np.array([1 if (number + draw) >> bit & 1 else -1 for bit in range(8)], np.int8)


def opened(folder: Path, cap: int = 10, per_item: int | None = None) -> Ledger:
    ledger = Ledger.open(folder / "ledger.sqlite", target_digest=TARGET)
    ledger.open_account("attacker", reveals="codes", cap=cap, per_item=per_item)
    return ledger


def buy(
    ledger: Ledger, *numbers: int, phase: str = "mining", fresh: bool = False, answer: bool = True, account: str = "attacker"
) -> list[Charge]:
    charges = ledger.charge(account, phase=phase, modality="images", keys=[key(number) for number in numbers], fresh=fresh)
    if answer:
        ledger.store({charge.id: code(number) for number, charge in zip(numbers, charges, strict=True) if not charge.answered})
    return charges


def rows(path: Path, question: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()
