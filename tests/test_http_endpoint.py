"""A remote target over real sockets: whatever the service does wrong, the bill is right and so are the answers."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from remote import BUSY_AND_LOST, DIGEST, EVERYTHING, doors, pictures, true_codes
from services import service

from crossattack.errors import BudgetRefused, TargetError
from crossattack.ledger import Ledger


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_codes_are_the_services_own_in_the_order_that_was_asked(folder: Path) -> None:
    with service(folder / "count") as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        assert running.counted() == {"images": 140, "texts": 60}
        assert both.spent() == 200


@pytest.mark.parametrize(("faults", "seed"), [(BUSY_AND_LOST, 1), (BUSY_AND_LOST, 2), (EVERYTHING, 3), (EVERYTHING, 4)])
def test_faults_change_neither_answers_nor_bill(faults: dict[str, float], seed: int, folder: Path) -> None:
    with service(folder / "calm") as calm, doors(folder / "one", calm.url) as both:
        wanted, digest = both.ask_everything(), both.ledger.digest()
    with (
        service(folder / "faulty", faults=faults, seed=seed, slow=0.6) as running,
        doors(folder / "two", running.url, read_seconds=0.4) as both,
    ):
        assert torch.equal(both.ask_everything(), wanted)
        assert both.ledger.digest() == digest
        assert both.spent() == running.total() == 200  # not one item twice
        assert [bill.resent for bill in both.bills()] == [0, 0]


def test_a_service_that_crashes_in_mid_run_loses_and_doubles_nothing(folder: Path) -> None:
    with service(folder / "count", faults=BUSY_AND_LOST, exit_after=7) as running:
        with doors(folder / "run", running.url, longest_wait=0.2, backoff=0.02) as both:
            assert torch.equal(both.ask_everything(), true_codes())
            assert both.spent() == running.total() == 200
        assert running.lives > 3


def test_the_audit_can_fail_a_service_that_ignores_keys_bills_more(folder: Path) -> None:
    with service(folder / "count", faults=BUSY_AND_LOST, seed=1, boasts=True) as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        assert both.spent() == 200 < running.total() - 20


@pytest.mark.parametrize("faults", [BUSY_AND_LOST, {name: share for name, share in EVERYTHING.items() if name != "slow"}])
def test_a_service_without_idempotency_is_charged_per_attempt(faults: dict[str, float], folder: Path) -> None:
    with service(folder / "count", faults=faults, seed=5, no_idempotency=True) as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        attacker, referee = both.bills()
        assert both.spent() == running.total() > 220
        assert attacker.resent + referee.resent == both.spent() - 200
        assert both.oracle.remaining == 1000 - attacker.spent
        assert sum(attacker.phases.values()) == attacker.spent == attacker.images + attacker.texts
    Ledger.open(folder / "run/ledger.sqlite", target_digest=DIGEST).close()  # its rows still add up


def test_attempts_that_the_budget_does_not_cover_are_not_made(folder: Path) -> None:
    with service(folder / "count", faults={"lost": 0.5}, seed=2, no_idempotency=True) as running:
        with doors(folder / "run", running.url, budget=60) as both:
            with pytest.raises(BudgetRefused):
                both.oracle.query_images(pictures(60), phase="mining")
            assert both.spent() == 60 >= running.total()
        with doors(folder / "more", running.url, per_item=1) as both:
            with pytest.raises(BudgetRefused, match="per_item"):
                both.oracle.query_images(pictures(60), phase="attack", items=range(60))
            assert both.spent() == 60


def test_what_is_in_doubt_when_a_run_is_resumed_is_paid_for_again_only_where_it_was_forgotten(folder: Path) -> None:
    for no_idempotency, spent in ((False, 8), (True, 16)):
        name = f"forgetful-{no_idempotency}"
        options: dict[str, Any] = {"no_idempotency": True} if no_idempotency else {}
        with (
            service(folder / name, faults={"lost": 1.0}, **options) as running,
            doors(folder / f"run-{name}", running.url, attempts=1) as both,
            pytest.raises(TargetError, match="none got in 1 attempts"),
        ):
            both.oracle.query_images(pictures(8), phase="mining")
        with service(folder / name, **options) as running, doors(folder / f"run-{name}", running.url) as both:
            both.oracle.query_images(pictures(8), phase="mining")
            assert both.spent() == running.total() == spent


def test_what_is_in_doubt_for_longer_than_the_service_remembers_is_paid_for_again(folder: Path) -> None:
    options: dict[str, Any] = {"info": {"idempotency_seconds": 100}}
    with service(folder / "count", faults={"lost": 1.0}, **options) as running, doors(folder / "run", running.url, attempts=1) as both:
        for spent in (8, 8):  # at once, it is still known
            with pytest.raises(TargetError, match="none got in 1 attempts"):
                both.oracle.query_images(pictures(8), phase="mining")
            assert both.spent() == spent
        both.ledger._db.execute("UPDATE charge SET time = time - 101")
        with pytest.raises(TargetError, match="none got in 1 attempts"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert both.spent() == 16


def test_giving_up_keeps_what_was_answered_and_says_how_often_it_asked(folder: Path) -> None:
    with (
        service(folder / "count", forbid_after=1000, faults={"busy": 1.0}) as running,
        doors(folder / "run", running.url, attempts=3) as both,
    ):
        with pytest.raises(TargetError, match=r"none got in 3 attempts in .* s, the last: an answer wanted, 429 got \(refused: too many"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert both.spent() == 8
        assert running.total() == 0


def test_total_time_ends_it_too(folder: Path) -> None:
    began = time.monotonic()
    settings = {"attempts": 1000, "total_seconds": 0.5, "longest_wait": 0.2}
    with service(folder / "count", faults={"busy": 1.0}) as running, doors(folder / "run", running.url, **settings) as both:
        with pytest.raises(TargetError, match="none got in"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert running.total() == 0
    assert time.monotonic() - began < 15


def test_403_stops_at_once_keeps_everything_and_a_resumed_run_goes_on(folder: Path) -> None:
    with service(folder / "count", forbid_after=5) as running, doors(folder / "run", running.url) as both:
        with pytest.raises(TargetError, match=r"leave to ask .* wanted, 403 got \(refused: not any more .*\); stopped at once") as caught:
            both.ask_everything()
        assert caught.value.exit_code == 1
        assert running.total() == 40  # five requests of eight, and none after the refusal
    with service(folder / "count") as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        assert both.spent() == running.total() == 200


def test_a_redirect_is_not_followed(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        there = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        with service(folder / "count", faults={"redirect": 1.0}, elsewhere=there) as running, doors(folder / "run", running.url) as both:
            with pytest.raises(TargetError, match="307 got, a redirect elsewhere, which is not followed"):
                both.oracle.query_images(pictures(1), phase="mining")
            assert running.total() == 0
        with pytest.raises(TimeoutError):
            elsewhere.accept()


@pytest.mark.parametrize("bad", ["short", "impossible", "fewer", "oversized", "malformed", "truncated", "slow", "unavailable"])
def test_a_reply_that_is_always_bad_is_never_kept(bad: str, folder: Path) -> None:
    settings = {"attempts": 3, "read_seconds": 0.3 if bad == "slow" else 10.0}
    with service(folder / "count", faults={bad: 1.0}) as running, doors(folder / "run", running.url, **settings) as both:
        with pytest.raises(TargetError, match="none got in 3 attempts") as caught:
            both.oracle.query_images(pictures(1), phase="mining")
        assert "\n" not in str(caught.value)
        assert both.spent() == running.total() == 1
        assert both.ledger._db.execute("SELECT count(*) FROM answer").fetchone() == (0,)


def test_good_items_of_a_bad_reply_are_kept(folder: Path) -> None:
    with service(folder / "count", faults={"short": 1.0}) as running, doors(folder / "run", running.url, attempts=1) as both:
        with pytest.raises(TargetError, match="16 bits wanted, 15 got"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert both.ledger._db.execute("SELECT count(*) FROM answer").fetchone() == (7,)
