"""The record of a sweep: one row a cell in one SQLite file, written by the driver alone.

    pending -> running -> done | failed        a lost worker or driver: running -> pending

What is committed outlives a loss of power. Whoever else looks at it reads.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final

from crossattack import _sqlite
from crossattack.errors import RecordError, UsageError
from crossattack.sweep.grid import Cell
from crossattack.sweep.lease import LASTS, Owner, is_alive

State: TypeAlias = Literal["pending", "running", "done", "failed"]
STATES: Final[tuple[State, ...]] = ("pending", "running", "done", "failed")
APPLICATION: Final = 0x78617377  # "xasw", in the header of every such file
SCHEMA: Final = 1
LAYOUT: Final = (
    "CREATE TABLE sweep(only_one INTEGER PRIMARY KEY CHECK (only_one = 1), id TEXT NOT NULL, keys TEXT NOT NULL DEFAULT '[]') STRICT",
    """CREATE TABLE cell(
        digest TEXT PRIMARY KEY,
        place INTEGER,
        grid TEXT NOT NULL,
        config TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed')),
        attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        owner TEXT,
        heartbeat REAL,
        expires REAL,
        started REAL,
        seconds REAL,
        reason TEXT,
        headline TEXT,
        CHECK ((owner IS NOT NULL) = (state = 'running'))) STRICT""",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is known of a cell. values: what the grid set. started: since the epoch. headline: of a cell that is done."""

    digest: str
    values: Mapping[str, Any]
    state: State
    attempts: int
    started: float | None
    seconds: float | None
    reason: str | None
    headline: Mapping[str, Any] | None
    owner: Owner | None
    expires: float | None


class DiskFull(RecordError):
    """There is no room for what is to be written; there may be later."""


@final
class Table:
    """The record. Use it in a `with`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db, self.path = connection, path

    @classmethod
    def open(cls, path: Path) -> "Table":
        """The record at `path`, made when it is not there; a file of something else is refused and keeps every byte."""
        if kind := _sqlite.network_of(path):
            raise UsageError(
                f"runs: a disk of this machine wanted for {path}, a network file system ({kind}) got; name another with --runs."
            )
        with _explained(path, "written"):
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            _sqlite.prepared(connection, lambda: _prepare(connection, path))
        return cls(connection, path)

    @classmethod
    def read(cls, path: Path) -> "Table":
        """The record at `path`, to be looked at while others write it."""
        with _explained(path, "read"):
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            connection.execute("PRAGMA query_only = ON")
            _recognise(connection, path)
        return cls(connection, path)

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @property
    def id(self) -> str:
        """Tells this sweep from all others, also those of its name."""
        return str(self._ask("SELECT id FROM sweep")[0][0])

    @property
    def keys(self) -> tuple[str, ...]:
        """What the grid sets, in the file's order."""
        return tuple(json.loads(self._ask("SELECT keys FROM sweep")[0][0]))

    def rows(self, digest: str | None = None) -> list[Row]:
        """The cells of the file as it was last run, in its order; or the one of that digest."""
        columns = "digest, grid, state, attempts, started, seconds, reason, headline, owner, expires"
        return [
            Row(
                digest=digest,
                values=json.loads(grid),
                state=state,
                attempts=attempts,
                started=started,
                seconds=seconds,
                reason=reason,
                headline=headline and json.loads(headline),
                owner=owner and Owner.parse(owner),
                expires=expires,
            )
            for digest, grid, state, attempts, started, seconds, reason, headline, owner, expires in self._ask(
                f"SELECT {columns} FROM cell WHERE place IS NOT NULL AND digest = coalesce(?, digest) ORDER BY place", digest
            )
        ]

    def settings(self) -> dict[str, dict[str, Any]]:
        """All settings of each of these cells, by digest, in the file's order."""
        rows = self._ask("SELECT digest, config FROM cell WHERE place IS NOT NULL ORDER BY place")
        return {digest: json.loads(config) for digest, config in rows}

    def plan(self, cells: Sequence[Cell], keys: Sequence[str]) -> None:
        """The file's cells in its order. Cells that were there keep what is known of them, those that left the file too."""
        rows = [
            (cell.digest, place, json.dumps(cell.values, default=str), json.dumps(cell.config.resolved()))
            for place, cell in enumerate(cells)
        ]
        with self._writing():
            self._db.execute("UPDATE sweep SET keys = ?", (json.dumps(keys),))
            self._db.execute("UPDATE cell SET place = NULL")
            change = """INSERT INTO cell(digest, place, grid, config) VALUES (?, ?, ?, ?)
                        ON CONFLICT DO UPDATE SET place = excluded.place, grid = excluded.grid, config = excluded.config"""
            self._db.executemany(change, rows)

    def take_up(self, now: float) -> None:
        """What a dead driver left running is pending again, and so is what failed; `UsageError` where the driver lives."""
        with self._writing():
            for owner, expires in self._db.execute("SELECT DISTINCT owner, expires FROM cell WHERE state = 'running'").fetchall():
                if is_alive(Owner.parse(owner), expires, now):
                    raise being_driven(self.path, Owner.parse(owner))
            self._db.execute(
                """UPDATE cell SET state = 'pending', owner = NULL, heartbeat = NULL, expires = NULL, reason = NULL
                   WHERE state IN ('running', 'failed')"""
            )

    def commit(self, writes: Sequence[Callable[[], None]]) -> None:
        """All of these writes to this table, or none of them, for the price of one."""
        if writes:
            with self._writing():
                for write in writes:
                    write()

    def start(self, digest: str, owner: Owner, now: float) -> None:
        """A worker begins with a cell."""
        self._set(digest, "running", attempts=True, owner=str(owner), heartbeat=now, expires=now + LASTS, started=now)

    def beat(self, owner: Owner, now: float) -> None:
        """The driver is alive: its leases last on."""
        with self._writing():
            self._db.execute("UPDATE cell SET heartbeat = ?, expires = ? WHERE owner = ?", (now, now + LASTS, str(owner)))

    def put_back(self, digests: Sequence[str]) -> None:
        """Cells that are to be run again."""
        for digest in digests:
            self._set(digest, "pending")

    def fail(self, digest: str, reason: str, seconds: float) -> None:
        """A cell that came to nothing, and why, in one line."""
        self._set(digest, "failed", reason=reason, seconds=seconds)

    def finish(self, digest: str, headline: Mapping[str, Any], seconds: float | None) -> None:
        """A cell with its results."""
        self._set(digest, "done", headline=json.dumps(headline), seconds=seconds)

    def _set(self, digest: str, state: State, *, attempts: bool = False, **known: object) -> None:
        kept = () if state == "running" else ("started",)
        columns = [name for name in ("owner", "heartbeat", "expires", "started", "seconds", "reason", "headline") if name not in kept]
        change = ", ".join(f"{name} = ?" for name in columns) + (", attempts = attempts + 1" if attempts else "")
        with self._writing():
            self._db.execute(f"UPDATE cell SET state = ?, {change} WHERE digest = ?", (state, *map(known.get, columns), digest))

    def _ask(self, question: str, *parameters: object) -> list[Any]:
        with _explained(self.path, "read"):
            return self._db.execute(question, parameters).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with _explained(self.path, "written"), nullcontext() if self._db.in_transaction else _sqlite.transaction(self._db):
            yield


def being_driven(path: Path, owner: Owner | None) -> UsageError:
    """A second driver's refusal."""
    who = f" (process {owner.pid} on {owner.host})" if owner else ""
    return UsageError(f"sweep: one that nobody works on wanted, {path.parent} is being run by another process{who}; see it with --status.")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    tables, application = (
        connection.execute(question).fetchone()[0] for question in ("SELECT count(*) FROM sqlite_master", "PRAGMA application_id")
    )
    if tables or application:
        return _recognise(connection, path)
    for statement in (*LAYOUT, f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {SCHEMA}"):
        connection.execute(statement)
    connection.execute("INSERT INTO sweep(only_one, id) VALUES (1, ?)", (secrets.token_hex(8),))


def _recognise(connection: sqlite3.Connection, path: Path) -> None:
    got = tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if got != (APPLICATION, SCHEMA):
        raise RecordError(f"the record of a sweep (schema {SCHEMA}) wanted, {path} is another file; name another folder with --runs.")


@contextmanager
def _explained(path: Path, done: Literal["written", "read"]) -> Iterator[None]:
    """SQLite's errors in a sentence that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            says = f"{path} is no record of a sweep, or a damaged one ({error}); move it away: what is done is known by its results.json."
            raise RecordError(says) from error
        kind = DiskFull if name in ("SQLITE_FULL", "SQLITE_IOERR_WRITE") else RecordError
        raise kind(
            f"the record {path} cannot be {done} ({error}); all that was committed is kept: check disk and folder, go on."
        ) from error
