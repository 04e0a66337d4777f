"""Faulty services for tests: started as processes, started again where they crash, always ended."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faulty_service import CRASH

SCRIPT = Path(__file__).with_name("faulty_service.py")


@dataclass
class Running:
    """A service at `url`; `counted()` is what it counted, in whichever of its lives."""

    count: Path
    port: int = 0
    lives: int = 0
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counted(self) -> dict[str, int]:
        """Durably counted items by modality."""
        lines = self.count.read_text(encoding="ascii").split()[::2] if self.count.exists() else []
        return {modality: lines.count(modality) for modality in ("images", "texts")}

    def keys(self) -> list[str]:
        """The key of every item that it counted, as often as it did."""
        return self.count.read_text(encoding="ascii").split()[1::2]

    def held(self) -> int:
        """How many requests it keeps, or kept, without an answer."""
        held = Path(f"{self.count}.held")
        return len(held.read_text(encoding="ascii").splitlines()) if held.exists() else 0

    def total(self) -> int:
        return sum(self.counted().values())

    def start(self, options: dict[str, Any]) -> subprocess.Popen[str]:
        arguments = [sys.executable, str(SCRIPT), "--port", str(self.port), "--count", str(self.count)]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            arguments += [flag] if value is True else [flag, json.dumps(value) if isinstance(value, dict) else str(value)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self.processes.append(process)
        self.lives += 1
        return process


def audit(ledger: Path, running: Running) -> list[str]:
    """Where the bill of a run and the count of a service that knows keys disagree; nothing, where both say the same."""
    connection = sqlite3.connect(ledger)
    rows = connection.execute("SELECT modality, idempotency_key, state FROM charge").fetchall()
    (spent,) = connection.execute("SELECT sum(spent) FROM account").fetchone()
    connection.close()
    counted, charged = Counter(running.keys()), {key for _, key, _ in rows}
    findings = {
        f"{spent} spent, {len(rows)} rows, {running.total()} counted": not spent == len(rows) == running.total() == len(charged),
        f"by modality: {running.counted()} counted": Counter(modality for modality, *_ in rows) != Counter(running.counted()),
        f"{len(counted.keys() - charged)} items were counted and never charged": bool(counted.keys() - charged),
        f"{len(charged - counted.keys())} items were charged and never counted": bool(charged - counted.keys()),
        f"{sum(times > 1 for times in counted.values())} items were counted twice": max(counted.values(), default=0) > 1,
        "a charge has no answer": any(state != "answered" for *_, state in rows),
    }
    return [finding for finding, wrong in findings.items() if wrong]


@contextmanager
def service(count: Path, **options: Any) -> Iterator[Running]:
    """A service with these options, started again as often as it crashes."""
    running, over = Running(count), threading.Event()
    process = running.start(options)

    def look_after(process: subprocess.Popen[str]) -> None:
        while process.wait() == CRASH and not over.is_set() and running.lives < 50:
            process = running.start({**options, "seed": options.get("seed", 0) + running.lives})

    keeper = threading.Thread(target=look_after, args=(process,))
    keeper.start()
    try:
        yield running
    finally:
        over.set()
        running.processes[-1].terminate()
        keeper.join(timeout=10)
        for process in running.processes:
            process.wait(timeout=10)
            assert process.stdout is not None
            process.stdout.close()
