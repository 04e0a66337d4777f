"""A ledger's file: how it is laid out, and whether an existing one is the one that was meant.

Everything is looked at before anything is written: a file that is refused keeps every byte it had.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from crossattack import _sqlite
from crossattack.errors import LedgerError

SCHEMA = 1
APPLICATION = 0x7861746B  # "xatk", in the header of every ledger
OLDEST_SQLITE = (3, 37)  # STRICT tables

LAYOUT = (
    """CREATE TABLE target(
        only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
        digest TEXT NOT NULL,
        generation INTEGER NOT NULL) STRICT""",
    """CREATE TABLE account(
        name TEXT PRIMARY KEY,
        reveals TEXT NOT NULL,
        cap INTEGER NOT NULL,
        per_item INTEGER CHECK (per_item >= 0),
        spent INTEGER NOT NULL DEFAULT 0 CHECK (0 <= spent AND spent <= cap)) STRICT""",
    """CREATE TABLE charge(
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL REFERENCES account(name),
        phase TEXT NOT NULL,
        modality TEXT NOT NULL CHECK (modality IN ('images', 'texts')),
        key BLOB NOT NULL CHECK (length(key) = 16),
        draw INTEGER NOT NULL CHECK (draw >= 0),
        item INTEGER,
        state TEXT NOT NULL DEFAULT 'charged' CHECK (state IN ('charged', 'answered')),
        idempotency_key TEXT NOT NULL UNIQUE,
        attempts INTEGER NOT NULL DEFAULT 1,
        owner TEXT NOT NULL,
        time REAL NOT NULL,
        UNIQUE (account, modality, key, draw)) STRICT""",
    "CREATE INDEX charge_of_item ON charge(account, modality, item) WHERE item IS NOT NULL",
    """CREATE TABLE answer(
        charge INTEGER PRIMARY KEY REFERENCES charge(id),
        dtype TEXT NOT NULL,
        shape TEXT NOT NULL,
        data BLOB NOT NULL) STRICT""",
    """CREATE TABLE ask(
        charge INTEGER NOT NULL REFERENCES charge(id),
        generation INTEGER NOT NULL,
        phase TEXT NOT NULL,
        asks INTEGER NOT NULL,
        PRIMARY KEY (charge, generation, phase)) STRICT, WITHOUT ROWID""",
)


def connect(path: Path, target_digest: str, generation: int | None) -> tuple[sqlite3.Connection, int]:
    """A connection to the ledger, made when it is not there, and the generation that this session belongs to."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LedgerError(f"SQLite 3.37 or newer wanted, {sqlite3.sqlite_version} got; use a newer Python (`uv python install 3.12`).")
    if kind := _sqlite.network_of(path):
        raise LedgerError(
            f"a disk of this machine is wanted for {path}, a network file system ({kind}) got; move the run with `--runs DIR`."
        )
    try:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    except sqlite3.Error as error:
        advice = "check the folder's permissions" if path.parent.is_dir() else "make its folder"
        raise LedgerError(f"the ledger {path} cannot be opened ({error}); {advice}, or name another.") from error

    def prepare() -> int:
        if _is_empty(connection):
            _lay_out(connection, target_digest)
        else:
            _inspect(connection, path, target_digest)
        if generation is None:
            return _number(connection, "UPDATE target SET generation = generation + 1 RETURNING generation")
        return generation

    with explained(path):
        return connection, _sqlite.prepared(connection, prepare)


def connect_to_read(path: Path) -> tuple[sqlite3.Connection, str]:
    """A connection that can change nothing, and the target whose ledger it is. Counts are not held against rows here."""
    if not path.is_file():
        raise LedgerError(f"a ledger wanted, no file at {path}; name a run's folder.")
    with explained(path, "read"):
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30, isolation_level=None)
        try:
            _recognise(connection, path)
            (target_digest,) = connection.execute("SELECT digest FROM target").fetchone()
        except BaseException:
            connection.close()
            raise
    return connection, str(target_digest)


def roll_back(path: Path) -> None:
    """Undo what a killed process left half done, as whoever writes to the file does on the way and a reader may not."""
    with explained(path), closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All or nothing, and alone; what SQLite makes of it is explained."""
    with explained(path), _sqlite.transaction(connection):
        yield


@contextmanager
def explained(path: Path, done: Literal["written", "read"] = "written") -> Iterator[None]:
    """SQLite's errors in a sentence that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        if error.sqlite_errorname in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            raise LedgerError(f"{path} is no ledger, or a damaged one ({error}); name another path, or restore it from a copy.") from error
        advice = "check the disk's space and the folder's permissions, and resume"
        raise LedgerError(f"the ledger {path} cannot be {done} ({error}); all that was committed is kept: {advice}.") from error


def _is_empty(connection: sqlite3.Connection) -> bool:
    return _number(connection, "PRAGMA application_id") == 0 and _number(connection, "SELECT count(*) FROM sqlite_master") == 0


def _lay_out(connection: sqlite3.Connection, target_digest: str) -> None:
    for statement in (*LAYOUT, f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {SCHEMA}"):
        connection.execute(statement)
    connection.execute("INSERT INTO target VALUES (1, ?, 0)", (target_digest,))


def _recognise(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "PRAGMA application_id") != APPLICATION:
        raise LedgerError(f"{path} is an SQLite file of something else, a ledger of crossattack is wanted; name another path.")
    schema = _number(connection, "PRAGMA user_version")
    if schema != SCHEMA:
        raise LedgerError(
            f"{path} has schema {schema}, this crossattack knows schema {SCHEMA}; use the version that wrote it, or a newer one."
        )


def _inspect(connection: sqlite3.Connection, path: Path, target_digest: str) -> None:
    _recognise(connection, path)
    (got,) = connection.execute("SELECT digest FROM target").fetchone()
    if got != target_digest:
        wanted = f"one of target {target_digest} is wanted"
        raise LedgerError(f"{path} is the ledger of target {got}, {wanted}; resume with that target, or give this run another name.")
    (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if health != "ok":
        raise LedgerError(f"{path} is damaged ({health}); restore it from a copy, or give this run another name.")
    count = "(SELECT count(*) FROM charge WHERE account = name)"
    for name, spent, rows in connection.execute(f"SELECT name, spent, {count} FROM account WHERE spent != {count}"):
        raise LedgerError(f"{path}: the account {name!r} says {spent} spent, its rows say {rows}; restore the ledger from a copy.")


def _number(connection: sqlite3.Connection, question: str) -> int:
    (number,) = connection.execute(question).fetchone()
    return int(number)
