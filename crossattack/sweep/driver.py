"""The driver: hands cells to an engine, writes down what became of them, and gives lost ones another try.

It alone writes the record. A cell counts as done when its results.json is whole and of its digest, whoever says what.
"""

import errno
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from crossattack.errors import UsageError
from crossattack.run_folder import write_config
from crossattack.sweep.engines import Engine, Report
from crossattack.sweep.grid import Cell, Sweep
from crossattack.sweep.lease import BEAT, Owner
from crossattack.sweep.outcome import headline, results_of, seconds_of, summary, write_summary
from crossattack.sweep.table import DiskFull, Row, Table

AGAIN: Final = 5.0  # seconds until a full disk is asked again
FRESH: Final = 1.0  # seconds between two versions of sweep.json, at least
Told = TypeVar("Told")


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who hears of it. ended: a cell that is done or failed. remark: anything else worth a line."""

    ended: Callable[[Row], None]
    remark: Callable[[str], None]


def take_up(sweep: Sweep, table: Table, folder: Path) -> None:
    """Put the file's cells on record, and hold what the record says against the folders: these are right."""
    table.take_up(time.time())
    table.plan(sweep.cells, sweep.keys)
    for row in table.rows():
        results = results_of(folder / row.digest, row.digest)
        if results is None and row.state == "done":
            table.put_back([row.digest])
        elif results is not None and row.state != "done":
            table.finish(row.digest, headline(results), seconds_of(results))


def drive(sweep: Sweep, table: Table, folder: Path, engine: Engine, owner: Owner, listener: Listener) -> None:
    """Run every pending cell to its end. However this ends, no worker is left and no cell is said to be running."""
    cells = {cell.digest: cell for cell in sweep.cells}
    waiting = deque(row.digest for row in table.rows() if row.state == "pending")
    running, lost, reports = dict[str, float](), Counter[str](), list[Report]()
    written = beaten = time.monotonic()
    try:
        while waiting or running or reports:
            writes, ended, begun = list[Callable[[], None]](), list[str](), list[str]()
            for report in reports:
                seconds = round(time.monotonic() - running.pop(report.digest), 3)
                if report.lost:
                    lost[report.digest] += 1
                verdict = _verdict(report, seconds, table, folder, lost[report.digest], sweep.attempts)
                if verdict is None:
                    waiting.append(report.digest)
                    listener.remark(f"{report.digest}: {report.reason}; it is tried again ({lost[report.digest]} of {sweep.attempts})")
                else:
                    ended.append(report.digest)
                writes.append(verdict or partial(table.put_back, [report.digest]))
            while waiting and len(running) < engine.slots:
                begun.append(digest := waiting.popleft())
                running[digest] = time.monotonic()
                _patiently(partial(_prepared, cells[digest], folder / digest), listener)
                writes.append(partial(table.start, digest, owner, time.time()))
            if time.monotonic() - beaten >= BEAT:
                beaten = time.monotonic()
                writes.append(partial(table.beat, owner, time.time()))
            _patiently(partial(table.commit, writes), listener)
            for digest in begun:
                engine.start(digest, folder / digest)
            for digest in ended:
                listener.ended(*table.rows(digest))
            if time.monotonic() - written >= FRESH:
                written = time.monotonic()
                _show(sweep, table, folder, listener)
            reports = list(engine.reports(BEAT)) if running else []
    finally:
        engine.stop()
        with suppress(DiskFull):
            table.put_back([row.digest for row in table.rows() if row.state == "running"])
        _show(sweep, table, folder, listener)


def _verdict(report: Report, seconds: float, table: Table, folder: Path, lost: int, attempts: int) -> Callable[[], None] | None:
    """What is to be written of a cell; None where it is to be tried again. lost: workers that it has cost so far."""
    digest, reason = report.digest, report.reason
    results = None if reason and not report.lost else results_of(folder / digest, digest)
    if results is not None:
        return partial(table.finish, digest, headline(results), seconds)
    if report.lost and lost < attempts:
        return None
    if report.lost and lost > 1:
        reason = f"{reason}, {lost} times"
    return partial(table.fail, digest, reason or "no results of this cell were left in its folder", seconds)


def _prepared(cell: Cell, folder: Path) -> None:
    """The cell's folder with its configuration, whose device may have changed since."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(cell.config, folder)


def _show(sweep: Sweep, table: Table, folder: Path, listener: Listener) -> None:
    """sweep.json as the record stands; the record is what counts, so that nothing ends where there is no room for it."""
    try:
        write_summary(folder / "sweep.json", summary(sweep.name, sweep.keys, table.rows()))
    except OSError as error:
        listener.remark(f"{folder}/sweep.json cannot be written at present ({error.strerror})")


def _patiently(write: Callable[[], Told], listener: Listener) -> Told:
    """Write; while the disk is full, say so once and wait for room."""
    said = False
    while True:
        try:
            return write()
        except (DiskFull, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise UsageError(f"runs: a folder to write to wanted, {error.filename} got ({error.strerror}).") from error
            if not said:
                listener.remark("the disk is full: waiting for room, while workers go on; Ctrl-C ends it")
            said = True
            time.sleep(AGAIN)
