"""Accounts of the service: how much everybody asked, and what they were answered, in one SQLite file.

A count and the answer it stands for are committed together, before the reply leaves. So whoever lost a reply asks again
under the same key, is given the stored answer and is not counted again, also by a service that was killed in between. Keys
belong to an account and are kept for a bounded time; counts are kept for good.
"""

import json
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, final

from crossattack import _sqlite
from crossattack.errors import UsageError
from crossattack.ledger import Modality
from crossattack.serve.refusals import ItemRefused, Refusal

DAY: Final = 86_400
APPLICATION: Final = 0x78617376  # "xasv", in the header of every such file
SCHEMA: Final = 1
LAYOUT: Final = (
    "CREATE TABLE service(only_one INTEGER PRIMARY KEY CHECK (only_one = 1), digest TEXT NOT NULL) STRICT",
    """CREATE TABLE account(
        name TEXT PRIMARY KEY,
        images INTEGER NOT NULL DEFAULT 0 CHECK (images >= 0),
        texts INTEGER NOT NULL DEFAULT 0 CHECK (texts >= 0),
        replayed INTEGER NOT NULL DEFAULT 0 CHECK (replayed >= 0)) STRICT""",
    """CREATE TABLE answer(
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL REFERENCES account(name),
        key TEXT NOT NULL,
        question BLOB NOT NULL CHECK (length(question) = 16),
        answer BLOB NOT NULL,
        time REAL NOT NULL,
        UNIQUE (account, key)) STRICT""",
    "CREATE INDEX answer_by_time ON answer(time)",
)


@dataclass(frozen=True)
class Question:
    """One item that is to be answered: the caller's key, if any, and the fingerprint of what is asked."""

    key: str | None
    fingerprint: bytes


Settled: TypeAlias = tuple[bytes | ItemRefused, bool]  # what stands for a question from now on, and whether it was given before


@dataclass(eq=False)
class Settlement:
    """Answers that wait to be counted and kept; once they are, or cannot be, `outcome` says so."""

    account: str
    modality: Modality
    questions: Sequence[Question]
    answers: Sequence[bytes]
    outcome: list[Settled] | Refusal | None = None


@dataclass(frozen=True)
class Count:
    """What an account was answered, and how often it was told again."""

    images: int = 0
    texts: int = 0
    replayed: int = 0

    @property
    def items(self) -> int:
        """All that was counted."""
        return self.images + self.texts


@final
class Accounts:
    """The durable side of a service. Any thread may use it, and any number of processes may share its file.

    quota: the most items an account may ever ask. keys_last: seconds for which an idempotency key is honoured.
    """

    def __init__(
        self,
        path: Path,
        *,
        target_digest: str,
        quota: int | None = None,
        keys_last: int = DAY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path, self.quota, self.keys_last, self._clock = path, quota, keys_last, clock
        self._lock, self._purged = threading.Lock(), float("-inf")
        self._waiting: deque[Settlement] = deque()
        self._db = _connect(path, target_digest)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def count(self, account: str) -> Count:
        """What the account has asked so far."""
        with self._lock:
            return self._count(account)

    def known(self, account: str, questions: Sequence[Question]) -> list[bytes | ItemRefused | None]:
        """What the store says to each question: the answer given before, a refusal of a key that was another's, or None.

        Where the rest would not fit into the quota the whole request is refused, before anything is computed.
        """
        with self._lock:
            kept = self._kept(account, questions)
            found = [_before(question, kept) for question in questions]
            new = [question.key or position for position, question in enumerate(questions) if found[position] is None]
            self._check_quota(account, len(set(new)))
        return found

    def settle(self, account: str, modality: Modality, questions: Sequence[Question], answers: Sequence[bytes]) -> list[Settled]:
        """Count and keep all answers, in one commit. Each comes back with whether it was given before.

        A key that was settled meanwhile, by another request or earlier in this one, keeps its first answer. Requests that
        come while a commit is under way share the next one: whoever is let in first settles for all who wait.
        """
        settlement = Settlement(account, modality, questions, answers)
        self._waiting.append(settlement)
        with self._lock:
            if settlement.outcome is None:
                self._settle([self._waiting.popleft() for _ in range(len(self._waiting))])
        if isinstance(settlement.outcome, Refusal):
            raise settlement.outcome
        assert settlement.outcome is not None
        return settlement.outcome

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        """All of these in one commit; one that its quota does not cover is refused and leaves no trace, as all are without a disk."""
        try:
            with _sqlite.transaction(self._db):
                outcomes = [self._write(settlement) for settlement in settlements]
                self._purge()
        except sqlite3.Error as error:
            outcomes = [_not_counted(error) for _ in settlements]
        for settlement, outcome in zip(settlements, outcomes, strict=True):
            settlement.outcome = outcome

    def _write(self, settlement: Settlement) -> list[Settled] | Refusal:
        account, modality = settlement.account, settlement.modality
        kept, settled, rows = self._kept(account, settlement.questions), list[Settled](), []
        for question, answer in zip(settlement.questions, settlement.answers, strict=True):
            before = _before(question, kept)
            settled.append((answer, False) if before is None else (before, isinstance(before, bytes)))
            if before is None and question.key is not None:
                kept[question.key] = question.fingerprint, answer
                rows.append((account, question.key, question.fingerprint, answer, self._clock()))
        replayed = sum(again for _, again in settled)
        new = sum(isinstance(answer, bytes) for answer, _ in settled) - replayed
        try:
            self._check_quota(account, new)
        except Refusal as refusal:
            return refusal
        change = f"""INSERT INTO account(name, {modality}, replayed) VALUES (?, ?, ?) ON CONFLICT DO UPDATE
                     SET {modality} = {modality} + excluded.{modality}, replayed = replayed + excluded.replayed"""
        self._db.execute(change, (account, new, replayed))
        self._db.executemany("INSERT OR REPLACE INTO answer(account, key, question, answer, time) VALUES (?, ?, ?, ?, ?)", rows)
        return settled

    def _count(self, account: str) -> Count:
        row = self._db.execute("SELECT images, texts, replayed FROM account WHERE name = ?", (account,)).fetchone()
        return Count(*row) if row else Count()

    def _kept(self, account: str, questions: Sequence[Question]) -> dict[str, tuple[bytes, bytes]]:
        """Question and answer of those keys that are known."""
        keys = json.dumps([question.key for question in questions if question.key is not None])
        rows = "SELECT key, question, answer FROM answer WHERE account = ? AND key IN (SELECT value FROM json_each(?)) AND time > ?"
        return {
            key: (question, answer) for key, question, answer in self._db.execute(rows, (account, keys, self._clock() - self.keys_last))
        }

    def _check_quota(self, account: str, wanted: int) -> None:
        if self.quota is not None and wanted > (left := max(0, self.quota - self._count(account).items)):
            said = f"{wanted} new items wanted, {left} of {self.quota} left; nothing was answered and nothing was counted."
            raise Refusal(403, "quota_used_up", said)

    def _purge(self) -> None:
        """Forget the keys that are too old, once a minute."""
        now = self._clock()
        if now - self._purged >= min(60.0, self.keys_last):
            self._db.execute("DELETE FROM answer WHERE time <= ?", (now - self.keys_last,))
            self._purged = now


def _before(question: Question, kept: Mapping[str, tuple[bytes, bytes]]) -> bytes | ItemRefused | None:
    """What the question was answered before, if it was; a refusal where its key stands for another one."""
    if question.key is None or question.key not in kept:
        return None
    asked, answer = kept[question.key]
    if asked != question.fingerprint:
        return ItemRefused("key_reused", "a key for each question wanted, one that stands for another question got; use a new key.")
    return answer


def _not_counted(error: sqlite3.Error) -> Refusal:
    """A count that cannot be written is an answer that does not leave: whoever asked may ask again."""
    said = "the count of this answer cannot be written at present; nothing was counted, ask again later."
    refusal = Refusal(503, "not_counted", said, {"Retry-After": "5"})
    refusal.__cause__ = error
    return refusal


def _connect(path: Path, target_digest: str) -> sqlite3.Connection:
    """The file, made when it is not there; nothing is written to one that is refused."""
    if kind := _sqlite.network_of(path):
        raise UsageError(f"state: a disk of this machine wanted for {path}, a network file system ({kind}) got; name another with --state.")
    try:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        _sqlite.prepared(connection, lambda: _open(connection, path, target_digest))
    except sqlite3.Error as error:
        raise UsageError(f"state: a file to keep counts in wanted, {path} cannot be used ({error}); name another with --state.") from error
    return connection


def _open(connection: sqlite3.Connection, path: Path, target_digest: str) -> None:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if not tables and not application:
        for statement in (*LAYOUT, f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {SCHEMA}"):
            connection.execute(statement)
        connection.execute("INSERT INTO service VALUES (1, ?)", (target_digest,))
        return
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, schema) != (APPLICATION, SCHEMA):
        raise UsageError(f"state: a file of `crossattack serve` (schema {SCHEMA}) wanted, {path} is another; name another with --state.")
    (got,) = connection.execute("SELECT digest FROM service").fetchone()
    if got != target_digest:
        raise UsageError(f"state: answers of target {target_digest} wanted, {path} has those of {got}; name another with --state.")
