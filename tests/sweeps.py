"""Sweeps of toy cells: their file, their driver as a process, and what the record says."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from toy_cells import BASE, WORK

from crossattack.sweep.command import Wish, sweep
from crossattack.sweep.table import Row, Table

TESTS = Path(__file__).parent
SIXTY = {"seed": list(range(20)), "oracle.budget": [100, 200, 300]}


@dataclass(frozen=True)
class Toys:
    """A folder with a sweep's file `toys.yaml`, and a corner for accidents."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "toys.yaml"

    def write(self, grid: Any = None, **more: Any) -> None:
        """The sweep's file."""
        self.file.write_text(yaml.safe_dump({"base": BASE, "grid": grid or SIXTY, **more}))

    def accident(self, name: str, *seeds: int) -> Path:
        """What is to happen to cells of these seeds: see toy_cells."""
        path = self.folder / "corner" / name
        path.write_text(str(list(seeds)))
        return path

    def run(self, runs: str = "runs", **wish: Any) -> bool:
        """The sweep, in this process."""
        return sweep(Wish(path=self.file, runs=self.folder / runs, **{"work": WORK, "jobs": 2, "quiet": True, **wish}))

    @contextmanager
    def driver(self, jobs: int = 2) -> Iterator[subprocess.Popen[str]]:
        """The sweep, as a process."""
        command = [sys.executable, str(TESTS / "toy_cells.py"), str(self.file), str(self.folder / "runs"), str(jobs)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def rows(self, runs: str = "runs") -> list[Row]:
        """What the record says."""
        with Table.read(self.folder / runs / "toys/sweep.sqlite") as table:
            return table.rows()

    def states(self) -> Counter[str]:
        """How many cells are in which state; nothing before there is a record."""
        try:
            return Counter(row.state for row in self.rows())
        except Exception:  # the record is being made
            return Counter()

    def attempts(self) -> Counter[str]:
        """How often each cell was begun, by the workers' own log."""
        log = self.folder / "corner/log"
        return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()

    def workers(self) -> set[int]:
        """Process numbers of all workers that ever were."""
        return {int(line.split()[1]) for line in (self.folder / "corner/log").read_text().splitlines()}


def toys(folder: Path) -> Toys:
    (folder / "corner").mkdir()
    return Toys(folder)


def until(happens: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True
