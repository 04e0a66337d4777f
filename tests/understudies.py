"""An understudy that is done in a moment, and what it paid for."""

import sqlite3
from pathlib import Path
from typing import Any

from crossattack.attacks.understudy import Understudy


def quick(**settings: Any) -> Understudy:
    return Understudy(**({"steps": 4, "asked": 3, "texts": 0.2} | settings))


def charges(folder: Path) -> dict[int, int]:
    """Queries that were paid for, by attacked picture."""
    rows = sqlite3.connect(folder / "ledger.sqlite").execute("SELECT item, COUNT(*) FROM charge WHERE item IS NOT NULL GROUP BY item")
    return dict(rows.fetchall())
