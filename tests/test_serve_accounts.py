"""The service's durable counts without the service: who shares a commit, who is refused, and what is kept of it."""

import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from crossattack.errors import UsageError
from crossattack.ledger import idempotency_key
from crossattack.serve.accounts import Accounts, Count, Question, Settled
from crossattack.serve.refusals import ItemRefused, Refusal

DIGEST = "0" * 16


def asked(*keys: str | None, about: int = 0) -> list[Question]:
    return [Question(key, bytes([about]) * 16) for key in keys]


def settled_together(accounts: Accounts, *requests: tuple[str, Sequence[Question]]) -> tuple[list[Future[list[Settled]]], list[str]]:
    """These requests, all of them waiting before the first is let in; their outcomes, and the commits that it took."""
    said: list[str] = []
    accounts._db.set_trace_callback(said.append)
    with ThreadPoolExecutor(len(requests)) as pool, accounts._lock:
        outcomes = []
        for number, (account, questions) in enumerate(requests):
            answers = [bytes([number])] * len(questions)
            outcomes.append(pool.submit(accounts.settle, account, "texts", questions, answers))
            while len(accounts._waiting) <= number:
                time.sleep(0.001)
    accounts._db.set_trace_callback(None)
    return outcomes, [line for line in said if line in ("COMMIT", "ROLLBACK")]


def test_requests_that_come_together_share_one_commit_and_the_first_answer_to_a_key(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "state.sqlite", target_digest=DIGEST)
    requests = [("alice", asked("a", "b", None)), ("alice", asked("b", "c")), ("bob", asked("b")), ("alice", asked("a", about=1))]
    outcomes, commits = settled_together(accounts, *requests)
    assert commits == ["COMMIT"]
    first, second, third, fourth = (outcome.result() for outcome in outcomes)
    assert (first, second, third) == ([(b"\0", False)] * 3, [(b"\0", True), (b"\1", False)], [(b"\2", False)])
    assert [(type(answer), again) for answer, again in fourth] == [(ItemRefused, False)]
    assert (accounts.count("alice"), accounts.count("bob")) == (Count(texts=4, replayed=1), Count(texts=1))
    accounts.close()
    again = Accounts(tmp_path / "state.sqlite", target_digest=DIGEST)
    assert again.known("alice", asked("a", "b", "c", None)) == [b"\0", b"\0", b"\1", None]
    assert again.count("alice") == Count(texts=4, replayed=1)
    again.close()


def test_one_that_its_quota_does_not_cover_is_refused_alone(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "state.sqlite", target_digest=DIGEST, quota=2)
    outcomes, commits = settled_together(accounts, ("alice", asked("a", "b")), ("alice", asked("c")), ("bob", asked("d", "e")))
    assert commits == ["COMMIT"]
    with pytest.raises(Refusal, match="1 new items wanted, 0 of 2 left"):
        outcomes[1].result()
    assert [accounts.count(name) for name in ("alice", "bob")] == [Count(texts=2)] * 2
    assert accounts._db.execute("SELECT account, key FROM answer").fetchall() == [
        ("alice", "a"),
        ("alice", "b"),
        ("bob", "d"),
        ("bob", "e"),
    ]
    accounts.close()


def test_without_a_disk_all_that_came_together_are_refused_and_none_is_counted(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "state.sqlite", target_digest=DIGEST)
    (pages,) = accounts._db.execute("PRAGMA page_count").fetchone()
    accounts._db.execute(f"PRAGMA max_page_count = {pages}")
    outcomes, commits = settled_together(accounts, *((name, asked(*(f"{n:0200}" for n in range(64)))) for name in ("alice", "bob")))
    assert commits == ["ROLLBACK"]
    for outcome in outcomes:
        with pytest.raises(Refusal, match="nothing was counted, ask again later"):
            outcome.result()
    assert [accounts.count(name) for name in ("alice", "bob")] == [Count()] * 2
    accounts._db.execute("PRAGMA max_page_count = 1000000")
    assert accounts.settle("alice", "texts", asked("a"), [b"x"]) == [(b"x", False)]
    accounts.close()


def test_keys_made_one_after_the_other_lie_side_by_side_and_never_twice() -> None:
    keys = []
    for _ in range(200):
        keys.append(idempotency_key())
        time.sleep(1e-6)
    assert len(set(keys)) == 200
    assert [key[:16] for key in keys] == sorted(key[:16] for key in keys)
    assert {len(key) for key in keys} == {32}


def test_two_services_that_share_a_file_do_not_overdraw_a_quota(tmp_path: Path) -> None:
    one, other = (Accounts(tmp_path / "state.sqlite", target_digest=DIGEST, quota=3) for _ in range(2))
    questions = [Question(None, bytes(16))] * 2
    assert one.known("anyone", questions) == other.known("anyone", questions) == [None, None]  # both fit, as far as they know
    one.settle("anyone", "texts", questions, [b"", b""])
    with pytest.raises(Refusal, match="2 new items wanted, 1 of 3 left"):
        other.settle("anyone", "texts", questions, [b"", b""])
    assert one.count("anyone") == other.count("anyone") == Count(texts=2)
    one.close()
    other.close()


def test_a_file_of_another_kind_or_target_is_refused_unharmed(tmp_path: Path) -> None:
    Accounts(tmp_path / "state.sqlite", target_digest=DIGEST).close()
    (tmp_path / "text").write_text("no database, surely, and long enough to be looked at" * 40)
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE theirs(x)").connection.close()
    for name, said in (
        ("state.sqlite", "answers of target 1111"),
        ("text", "cannot be used"),
        ("other.sqlite", "is another"),
        ("no/x", "cannot be used"),
    ):
        before = (tmp_path / name).read_bytes() if (tmp_path / name).exists() else None
        with pytest.raises(UsageError, match=said) as refusal:
            Accounts(tmp_path / name, target_digest="1" * 16)
        assert "\n" not in str(refusal.value)
        assert before is None or (tmp_path / name).read_bytes() == before
