"""One sweep from the command line: file -> grid -> record -> engine -> sweep.json.

Nothing is written before the whole grid is known to be sound. What a user is told goes to stderr; stdout has the result.
"""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from crossattack.errors import Interrupted, MissingDependency, UsageError
from crossattack.sweep.driver import drive, take_up
from crossattack.sweep.engines import Engine
from crossattack.sweep.grid import load_sweep, name_of
from crossattack.sweep.lease import this_process
from crossattack.sweep.lines import listening, print_status
from crossattack.sweep.outcome import summary
from crossattack.sweep.table import Row, Table, being_driven
from crossattack.sweep.work import EXPERIMENT


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the command line asked for. jobs: cells at once, None for as many as suit. work: by its dotted name."""

    path: Path
    engine: Literal["processes", "ray"] = "processes"
    jobs: int | None = None
    address: str | None = None
    gpus: float = 0.0
    runs: Path = Path("runs")
    quiet: bool = False
    as_json: bool = False
    allow_code: bool = False
    work: str = EXPERIMENT


def sweep(wish: Wish) -> bool:
    """Run what is not done yet. Whether every cell is done now."""
    if wish.engine == "processes" and (wish.address or wish.gpus):
        flag = "--address" if wish.address else "--gpus"
        raise UsageError(f"{flag}: --engine ray wanted with it, processes got.")
    if wish.engine == "ray" and find_spec("ray") is None:
        raise MissingDependency("ray wanted for --engine ray, not installed; run `pip install 'crossattack[ray]'`.")
    plan = load_sweep(wish.path, allow_code=wish.allow_code)
    folder = wish.runs / plan.name
    hire = _processes if wish.engine == "processes" else _ray
    with _alone(folder), Table.open(folder / "sweep.sqlite") as table:
        take_up(plan, table, folder)
        try:
            with listening(table.rows(), sys.stderr, quiet=wish.quiet) as listener:
                if any(row.state != "done" for row in table.rows()):
                    drive(plan, table, folder, hire(wish, folder, table.id), this_process(), listener)
        except KeyboardInterrupt as interrupt:
            done = sum(row.state == "done" for row in table.rows())
            again = f"crossattack sweep {shlex.quote(str(wish.path))}"
            again += f" --engine {wish.engine}" * (wish.engine != "processes")
            again += f" --runs {shlex.quote(str(wish.runs))}" * (wish.runs != Path("runs"))
            again += " --allow-code" * wish.allow_code
            raise Interrupted(f"interrupted with {done} of {len(plan.cells)} cells done; go on with: {again}") from interrupt
        rows = table.rows()
    _show(plan.name, plan.keys, rows, folder, wish)
    return all(row.state == "done" for row in rows)


def status(path: Path, runs: Path, as_json: bool) -> None:
    """How a sweep stands, from its record; whoever runs it is left alone."""
    name = name_of(path)
    record = runs / name / "sweep.sqlite"
    if not record.is_file():
        raise UsageError(f"status: a sweep that was started wanted, none got in {runs / name}; start it without `--status`.")
    with Table.read(record) as table:
        keys, rows = table.keys, table.rows()
    if as_json:
        print(json.dumps(summary(name, keys, rows), indent=1))
    else:
        print_status(rows, str(runs / name))


def usual_jobs() -> int:
    """Cells at once when nobody says: one for every four cores, as a run's memory is not for free."""
    return max(1, _cores() // 4)


def threads_each(jobs: int) -> int:
    """An equal share of the machine's threads; no more than the user allows all programs."""
    share = max(1, _cores() // jobs)
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(allowed)) if allowed.isdecimal() and int(allowed) else share


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processes(wish: Wish, folder: Path, key: str) -> Engine:
    from crossattack.sweep.engines.processes import Processes

    jobs = wish.jobs or usual_jobs()
    return Processes(wish.work, jobs=jobs, threads=threads_each(jobs), log=folder / "workers.log")


def _ray(wish: Wish, folder: Path, key: str) -> Engine:
    from crossattack.sweep.engines.ray import Ray

    jobs = wish.jobs or (None if wish.address else usual_jobs())
    return Ray(wish.work, jobs=jobs, threads=1 if jobs is None else threads_each(jobs), address=wish.address, gpus=wish.gpus, key=key)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One driver at a time; its folder is made when it is not there."""
    if (folder / "config.yaml").is_file():
        raise UsageError(f"name: one that no run has wanted, {folder} is a run's folder; give the sweep another, or use `--runs DIR`.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"runs: a folder to write to wanted, {folder} got ({error.strerror}); name another with `--runs DIR`.") from error
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise being_driven(folder / "sweep.sqlite", None) from error
    try:
        yield
    finally:
        lock.release()


def _show(name: str, keys: tuple[str, ...], rows: list[Row], folder: Path, wish: Wish) -> None:
    """On stdout: sweep.json with `--json`, the sweep's path with `--quiet`, else the table."""
    if wish.as_json:
        print(json.dumps(summary(name, keys, rows), indent=1))
    elif wish.quiet:
        print(folder)
    else:
        print_status(rows, str(folder))
