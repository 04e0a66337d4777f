"""A dictionary that the ledger must agree with, whatever is asked in whatever order."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ledgers import code, key, opened

from crossattack.errors import BudgetRefused


class LedgerAgainstDictionary(RuleBasedStateMachine):
    """Any sequence of asking, failing, resuming: the ledger's bill is the one that a dictionary keeps by the rules."""

    CAP, PER_ITEM = 9, 4

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.paid: dict[tuple[int, int], bool] = {}  # (number, draw) -> is it answered
        self.asked: Counter[tuple[int, int]] = Counter()  # in this generation
        self.most: Counter[tuple[int, int]] = Counter()  # in any
        self.on_behalf: Counter[int] = Counter()
        self.idempotency: dict[tuple[int, int], str] = {}
        self.ledger = opened(Path(self.folder.name), self.CAP, self.PER_ITEM)

    @rule(numbers=st.lists(st.integers(0, 5), max_size=5), item=st.integers(0, 2), fresh=st.booleans(), answer=st.booleans())
    def ask(self, numbers: list[int], item: int, fresh: bool, answer: bool) -> None:
        rows: list[tuple[int, int]] = []
        for number in numbers:
            draws = sorted(row for row in {*self.paid, *rows} if row[0] == number)
            if fresh:
                free = [row for row in draws if row[1] > 0 and row not in rows and (not self.asked[row] or not self.paid.get(row))]
                rows.append(free[0] if free else (number, max([0, *(draw for _, draw in draws)]) + 1))
            else:
                rows.append(draws[0] if draws else (number, 0))
        bought = {*rows} - {*self.paid}
        arguments = {
            "phase": "attack",
            "modality": "images",
            "keys": [key(n) for n in numbers],
            "items": [item] * len(numbers),
            "fresh": fresh,
        }
        if len(bought) > self.CAP - len(self.paid) or len(bought) > self.PER_ITEM - self.on_behalf[item]:
            with pytest.raises(BudgetRefused):
                self.ledger.charge("attacker", **arguments)
            return
        charges = self.ledger.charge("attacker", **arguments)
        self.on_behalf[item] += len(bought)
        for row in {*rows}:
            if not self.paid.setdefault(row, False):
                self.asked[row] = self.most[row] = 0
        for row, charge in zip(rows, charges, strict=True):
            assert charge.answered == self.paid[row]
            assert self.idempotency.setdefault(row, charge.idempotency_key) == charge.idempotency_key
            self.asked[row] += 1
            self.most[row] = max(self.most[row], self.asked[row])
        if answer:
            self.ledger.store({charge.id: code(*row) for row, charge in zip(rows, charges, strict=True)})
            self.paid |= dict.fromkeys(rows, True)
            for row, read in zip(rows, self.ledger.answers(charges), strict=True):
                assert (read == code(*row)).all()

    @rule()
    def resume(self) -> None:
        self.ledger.close()
        self.asked.clear()
        self.ledger = opened(Path(self.folder.name), self.CAP, self.PER_ITEM)

    @invariant()
    def bills_agree(self) -> None:
        bill = self.ledger.bill("attacker")
        assert bill.spent == bill.images == len(self.paid) == self.CAP - self.ledger.remaining("attacker")
        assert bill.repeats == sum(self.most.values()) - len(self.paid)
        lines = self.ledger.statement()
        assert (sum(line.spent for line in lines), sum(line.repeats for line in lines)) == (bill.spent, bill.repeats)
        assert sum(line.in_doubt for line in lines) == sum(not answered for answered in self.paid.values())
        assert self.ledger.findings() == []

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.ledger.close()
            self.folder.cleanup()


TestLedgerAgainstDictionary = LedgerAgainstDictionary.TestCase
TestLedgerAgainstDictionary.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
