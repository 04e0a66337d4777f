"""The ledger: closed examples of each rule."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from ledgers import TARGET, buy, code, key, opened, rows

from crossattack.errors import BudgetRefused, LedgerError, UsageError
from crossattack.ledger import Bill, Ledger

# What is charged


def test_an_item_is_charged_once_and_a_repeat_costs_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        buy(ledger, 1, 2)
        again = buy(ledger, 2, 3)
        assert [charge.answered for charge in again] == [True, False]
        assert ledger.bill("attacker") == Bill(cap=10, per_item=None, spent=3, images=3, texts=0, repeats=1, phases={"mining": 3})


def test_equal_queries_of_one_batch_share_a_charge_and_count_as_a_repeat(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        first, second, third = buy(ledger, 7, 7, 8)
        assert first == second != third
        assert (ledger.bill("attacker").spent, ledger.bill("attacker").repeats) == (2, 1)


def test_a_refused_batch_costs_nothing_and_stays_refused(tmp_path: Path) -> None:
    with opened(tmp_path, cap=3) as ledger:
        buy(ledger, 1, 2)
        before = ledger.digest(), ledger.bill("attacker")
        for _ in range(3):
            with pytest.raises(BudgetRefused, match="2 queries wanted, 1 of 3 left; nothing was sent"):
                buy(ledger, 1, 3, 4)
            assert (ledger.digest(), ledger.bill("attacker")) == before
        buy(ledger, 3)
        with pytest.raises(BudgetRefused):
            buy(ledger, 4)
        assert [charge.answered for charge in buy(ledger, 1, 2, 3)] == [True] * 3  # what is known is still to be had


def test_a_budget_of_nothing_sells_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, cap=0) as ledger, pytest.raises(BudgetRefused):
        buy(ledger, 1)


def test_a_cap_per_item_refuses_the_whole_batch(tmp_path: Path) -> None:
    with opened(tmp_path, per_item=2) as ledger:

        def ask(*pairs: tuple[int, int]) -> None:
            numbers, items = zip(*pairs, strict=True)
            ledger.charge("attacker", phase="attack", modality="images", keys=[key(number) for number in numbers], items=items)

        ask((1, 0), (2, 0), (3, 5))
        with pytest.raises(BudgetRefused, match=r"1 queries wanted, 0 of 2 left; nothing was sent. .*`per_item` \(of images, item 0\)"):
            ask((4, 5), (5, 0))
        assert ledger.bill("attacker").spent == 3
        ask((1, 5), (2, 5), (3, 5), (4, 5))  # what is known counts for nobody
        ledger.charge("attacker", phase="attack", modality="texts", keys=[key(5)], items=[0])  # text 0 is another item than picture 0
        ledger.charge("attacker", phase="mining", modality="images", keys=[key(n) for n in range(6, 9)])  # asked for nobody


def test_a_fresh_query_is_charged_every_time(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        buy(ledger, 1)
        draws = buy(ledger, 1, 1, fresh=True)
        assert len({charge.id for charge in draws}) == 2
        bill = ledger.bill("attacker")
        assert (bill.spent, bill.repeats) == (3, 0)
        assert rows(ledger.path, "SELECT draw FROM charge ORDER BY id") == [(0,), (1,), (2,)]


def test_a_plain_query_after_a_fresh_one_is_a_repeat(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert buy(ledger, 1, fresh=True)[0].id == buy(ledger, 1)[0].id
        assert (ledger.bill("attacker").spent, ledger.bill("attacker").repeats) == (1, 1)


def test_the_referee_pays_from_its_own_account(tmp_path: Path) -> None:
    with opened(tmp_path, cap=1) as ledger:
        ledger.open_account("referee", reveals="codes", cap=2)
        mine, theirs = buy(ledger, 1), buy(ledger, 1, phase="clean", account="referee")
        assert mine[0].id != theirs[0].id
        assert not theirs[0].answered
        assert ledger.bill("attacker").phases == {"mining": 1}
        assert ledger.bill("referee").phases == {"clean": 1}


def test_the_bill_tells_modalities_and_phases_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        buy(ledger, 1, 2)
        ledger.charge("attacker", phase="attack", modality="texts", keys=[key(1)])  # the same key, another thing
        assert ledger.bill("attacker") == Bill(10, None, 3, 2, 1, 0, {"mining": 2, "attack": 1})
        assert ledger.remaining("attacker") == 7


def test_a_statement_tells_phases_and_modalities_apart_and_what_is_in_doubt(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.open_account("referee", reveals="codes", cap=2)
        buy(ledger, 1, 2, 2)
        buy(ledger, 3, answer=False)
        buy(ledger, 1, 4, phase="attack")
        buy(ledger, 1, phase="clean", account="referee")
        ledger.charge("attacker", phase="ceiling", modality="images", keys=[key(4)])
        found = [astuple(line) for line in ledger.statement()]
        repeats = ledger.bill("attacker").repeats
    assert found == [
        ("attacker", "mining", "images", 3, 1, 1, 3),
        ("attacker", "attack", "images", 1, 1, 0, 1),
        ("referee", "clean", "images", 1, 0, 0, 1),
        ("attacker", "ceiling", "images", 0, 1, 0, 0),
    ]
    assert repeats == 3
    with opened(tmp_path) as ledger:
        buy(ledger, 3)
        assert ledger.statement()[0].attempts == 4


# Interrupted and resumed


def test_a_row_in_doubt_is_sent_again_under_its_key_and_costs_nothing_more(tmp_path: Path) -> None:
    with opened(tmp_path, cap=1) as ledger:
        (lost,) = buy(ledger, 1, answer=False)
    with opened(tmp_path, cap=1) as ledger:
        (again,) = buy(ledger, 1)
        assert (again.id, again.idempotency_key, again.answered) == (lost.id, lost.idempotency_key, False)
        assert ledger.bill("attacker") == Bill(1, None, 1, 1, 0, 0, {"mining": 1})
    assert rows(tmp_path / "ledger.sqlite", "SELECT state, attempts FROM charge") == [("answered", 2)]


def test_what_a_resumed_run_reads_again_is_no_repeat(tmp_path: Path) -> None:
    def run(ledger: Ledger, upto: int) -> None:
        for numbers in ((1, 2), (2, 3), (3, 3, 4))[:upto]:
            buy(ledger, *numbers)
        if upto == 4:
            buy(ledger, 1, phase="attack")

    (tmp_path / "whole").mkdir()
    with opened(tmp_path / "whole") as ledger:
        run(ledger, 4)
        whole, digest = ledger.bill("attacker"), ledger.digest()
    for upto in (2, 3, 4):
        with opened(tmp_path) as ledger:
            run(ledger, upto)
    with opened(tmp_path) as ledger:
        assert (ledger.bill("attacker"), ledger.digest()) == (whole, digest)
        assert whole.repeats == 4


def test_a_phase_that_a_resumed_run_skips_still_makes_the_next_one_repeat(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        buy(ledger, 1)
    with opened(tmp_path) as ledger:
        buy(ledger, 1, phase="attack")
        assert ledger.bill("attacker").repeats == 1


def test_a_resumed_run_takes_up_its_fresh_draws_before_it_pays_for_new_ones(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        buy(ledger, 1)
        first = buy(ledger, 1, fresh=True)
        second = buy(ledger, 1, fresh=True, answer=False)
    with opened(tmp_path) as ledger:
        resumed = buy(ledger, 1) + buy(ledger, 1, fresh=True) + buy(ledger, 1, fresh=True)
        assert [charge.id for charge in resumed[1:]] == [first[0].id, second[0].id]
        assert resumed[2].idempotency_key == second[0].idempotency_key
        assert ledger.bill("attacker").spent == 3
        assert buy(ledger, 1, fresh=True)[0].id not in (first[0].id, second[0].id)


def test_a_failed_fresh_draw_is_taken_up_by_the_next_try(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert buy(ledger, 1, fresh=True, answer=False)[0].id == buy(ledger, 1, fresh=True)[0].id
        assert (ledger.bill("attacker").spent, ledger.bill("attacker").repeats) == (1, 0)


def test_processes_of_one_generation_share_repeats_and_keep_their_fresh_draws_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as driver:
        with Ledger.open(driver.path, target_digest=TARGET, generation=driver.generation) as worker:
            mine, theirs = buy(driver, 1, fresh=True), buy(worker, 1, fresh=True)
            assert mine[0].id != theirs[0].id
            buy(worker, 2)
            buy(driver, 2)
        assert (driver.bill("attacker").spent, driver.bill("attacker").repeats) == (3, 1)


def test_a_resumed_run_may_raise_its_budget_but_not_fall_below_what_it_spent(tmp_path: Path) -> None:
    with opened(tmp_path, cap=2) as ledger:
        buy(ledger, 1, 2)
    with pytest.raises(LedgerError, match="'attacker' has spent 2 queries, a cap of 1 wanted"):
        opened(tmp_path, cap=1)
    with opened(tmp_path, cap=3) as ledger:
        assert ledger.remaining("attacker") == 1


def test_an_account_is_shown_one_kind_of_answer(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger, pytest.raises(LedgerError, match="was shown codes, features wanted"):
        ledger.open_account("attacker", reveals="features", cap=10)


def test_a_negative_budget_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="caps of 0 or more wanted for 'attacker', -5 queries"):
        opened(tmp_path, cap=-5)


# What is kept


@pytest.mark.parametrize("dtype", ["int8", "int64", "float32", "float64", "uint8"])
@pytest.mark.parametrize("shape", [(0,), (5,), (2, 3), ()])
def test_an_answer_reads_back_as_it_was_written(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    written = np.random.default_rng(0).integers(-9, 9, shape).astype(dtype)
    with opened(tmp_path) as ledger:
        charges = buy(ledger, 1, answer=False)
        ledger.store({charges[0].id: written})
        (read,) = ledger.answers(charges)
    assert read.dtype == written.dtype
    assert read.shape == written.shape
    assert (read == written).all()


def test_the_first_answer_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        charges = buy(ledger, 1)
        ledger.store({charges[0].id: code(2)})
        assert (ledger.answers(charges)[0] == code(1)).all()


def test_an_answer_that_is_not_there_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger, pytest.raises(LedgerError, match="charge 1 has no answer yet"):
        ledger.answers(buy(ledger, 1, answer=False))


def test_the_digest_leaves_out_time_and_order_and_sees_everything_else(tmp_path: Path) -> None:
    def digest(folder: str, *numbers: int, phase: str = "mining", answer: bool = True) -> str:
        (tmp_path / folder).mkdir()
        with opened(tmp_path / folder) as ledger:
            for number in numbers:
                buy(ledger, number, phase=phase, answer=answer)
            return ledger.digest()

    same = digest("a", 1, 2)
    assert same == digest("b", 2, 1) == digest("c", 1, 2, 1)
    assert len({same, digest("d", 1), digest("e", 1, 3), digest("f", 1, 2, phase="attack"), digest("g", 1, 2, answer=False)}) == 5
