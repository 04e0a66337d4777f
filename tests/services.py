"""Faulty services for tests: started as processes, started again where they crash, always ended."""

import json
import subprocess
import sys
import threading
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
