"""Workers as processes of this machine: started once, each with an equal share of the threads, used for many cells.

A worker stands in a process group of its own, so that Ctrl-C reaches the driver alone, and is replaced after a cell that came
to nothing: whatever that left behind in memory is gone with it.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from crossattack.sweep.engines import Report

THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
COMMAND: Final = (sys.executable, "-P", "-m", "crossattack.sweep.engines._worker")
GRACE: Final = 5.0  # seconds to end in


@dataclass(eq=False)
class _Worker:
    """A process, and the cell that it works on. leaving: it is to end, or has ended, and gets no other."""

    process: subprocess.Popen[str]
    digest: str | None = None
    leaving: bool = False


@final
class Processes:
    """jobs: workers at once. threads: of each. log: where their stderr goes."""

    def __init__(self, work: str, *, jobs: int, threads: int, log: Path) -> None:
        self._work, self._jobs, self._threads, self._log = work, jobs, threads, log
        self._workers = list[_Worker]()
        self._said = queue.SimpleQueue[tuple[_Worker, str | None]]()  # a line, or None at the end of the process

    @property
    def slots(self) -> int:
        return self._jobs

    def start(self, digest: str, folder: Path) -> None:
        """Let an idle worker begin with the cell, or a new one."""
        while True:
            worker = next((one for one in self._workers if one.digest is None and not one.leaving), None) or self._hired()
            assert worker.process.stdin is not None
            try:
                worker.process.stdin.write(json.dumps(str(folder.resolve())) + "\n")
                worker.process.stdin.flush()
            except BrokenPipeError:  # it died while it had nothing to do
                worker.leaving = True
                continue
            worker.digest = digest
            return

    def reports(self, timeout: float) -> Sequence[Report]:
        """What workers have said, and which of them ended without a word."""
        found = list[Report]()
        with suppress(queue.Empty):
            while True:
                worker, line = self._said.get(timeout=0 if found else timeout)
                report = self._lost(worker) if line is None else self._told(worker, line)
                found += [report] if report else []
        return found

    def stop(self) -> None:
        """End all workers, with whatever they have started."""
        for worker in self._workers:
            _signal(worker, signal.SIGTERM)
        for worker in self._workers:
            try:
                worker.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                _signal(worker, signal.SIGKILL)
                worker.process.wait()
            _closed(worker)
        self._workers.clear()

    def _hired(self) -> _Worker:
        environment = {**os.environ, **dict.fromkeys(THREADS, str(self._threads))}
        with self._log.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [*COMMAND, self._work],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=environment,
                process_group=0,
            )
        worker = _Worker(process)
        self._workers.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        with suppress(ValueError):  # closed while it was being read
            for line in worker.process.stdout:
                self._said.put((worker, line))
        self._said.put((worker, None))

    def _told(self, worker: _Worker, line: str) -> Report:
        digest, reason = worker.digest, json.loads(line)
        assert digest is not None, "workers speak when they are done with a cell"
        worker.digest = None
        if reason is not None:
            assert worker.process.stdin is not None
            worker.process.stdin.close()
            worker.leaving = True
        return Report(digest=digest, reason=reason)

    def _lost(self, worker: _Worker) -> Report | None:
        code = worker.process.wait()
        _closed(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        if worker.digest is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return Report(digest=worker.digest, reason=f"its worker {how}", lost=True)


def _signal(worker: _Worker, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(worker.process.pid, number)


def _closed(worker: _Worker) -> None:
    for stream in (worker.process.stdin, worker.process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
