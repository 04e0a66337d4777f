"""The bill of a run for a person: what each account spent, by phase and modality, and whether the books are in order."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from crossattack.ledger import Ledger

COLUMNS = {
    "account": "account",
    "phase": "phase",
    "modality": "of",
    "spent": "spent",
    "repeats": "repeats",
    "in_doubt": "in doubt",
    "attempts": "attempts",
}


def statement(ledger: Ledger) -> dict[str, Any]:
    """Lines, sums by account, findings, digest: plain values, fit for JSON."""
    lines = [asdict(line) for line in ledger.statement()]
    names = list(dict.fromkeys([line["account"] for line in lines] + list(ledger.accounts())))
    accounts = {}
    for name in names:
        bill, own = ledger.bill(name), [line for line in lines if line["account"] == name]
        sums = {key: sum(line[key] for line in own) for key in ("repeats", "in_doubt", "attempts")}
        accounts[name] = {"cap": bill.cap, "per_item": bill.per_item, "spent": bill.spent, **sums}
    return {"target": ledger.target_digest, "digest": ledger.digest(), "accounts": accounts, "lines": lines, "findings": ledger.findings()}


def print_statement(found: dict[str, Any]) -> None:
    """The lines as an aligned table, then a sentence an account and what is wrong."""
    rows = [list(COLUMNS.values())] + [[str(line[key]) for key in COLUMNS] for line in found["lines"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print(_aligned(row, widths))
    print()
    for name, account in found["accounts"].items():
        doubt = f", {account['in_doubt']} in doubt" if account["in_doubt"] else ""
        print(f"{name}: {account['spent']:,} of {account['cap']:,} queries, {account['repeats']:,} repeats for nothing{doubt}")
    print(f"target {found['target']}, digest {found['digest']}")
    print("integrity: " + ("; ".join(found["findings"]) or "ok"))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    cells = [cell.ljust(width) if place < 3 else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True))]
    return "  ".join(cells).rstrip()
