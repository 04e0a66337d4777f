"""Killed in the middle: a process that asks is SIGKILLed at random moments, and the service's own count must agree with the ledger.

The service is another process that writes down every item it answers, with its idempotency key, before it answers. The
audit is shown to be able to fail: a counter that counts after the answer does not pass it.
"""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from crash_processes import BATCH, code

CAP, KILLS = 1000, 20
SCRIPT = Path(__file__).with_name("crash_processes.py")


@dataclass(frozen=True)
class Audit:
    """What is wrong, and what happened."""

    findings: tuple[str, ...]
    kills: int
    spent: int
    sent_again: int


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments)], cwd=SCRIPT.parents[1], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def killed_again_and_again(role: str, folder: Path, seed: int) -> Audit:
    """Kill the client as often as KILLS says, each time a little after the service answered it; then let it finish, and audit."""
    rng = random.Random(seed)
    log = folder / "service.log"
    with process("serve", log) as service:
        assert service.stdout is not None
        port = int(service.stdout.readline())
        kills = 0
        while kills < KILLS:
            with process(role, folder, port, CAP) as client:
                progress = log.stat().st_size + rng.randrange(0, 600)  # up to three batches
                while client.poll() is None and log.stat().st_size < progress:
                    time.sleep(0.0002)
                time.sleep(rng.random() * 0.012)  # and some more, so that every step of one may be the last
                if client.poll() is not None:
                    break  # it finished before its time
                client.send_signal(signal.SIGKILL)
                kills += 1
        with process(role, folder, port, CAP) as client:
            assert client.wait(timeout=60) == 0
    return audit(folder, kills)


def audit(folder: Path, kills: int) -> Audit:
    sent: dict[int, set[str]] = defaultdict(set)  # item -> the idempotency keys it was sent under
    lines = (folder / "service.log").read_text().splitlines()
    for line in lines:
        again, item = line.split()
        sent[int(item)].add(again)
    db = sqlite3.connect(folder / "ledger.sqlite")
    (cap, spent), (health,) = db.execute("SELECT cap, spent FROM account").fetchone(), db.execute("PRAGMA integrity_check").fetchone()
    rows = db.execute("SELECT key, idempotency_key, state, data, attempts FROM charge LEFT JOIN answer ON charge = charge.id").fetchall()
    db.close()

    charged = {again for _, again, *_ in rows}
    seen = set().union(*sent.values())
    answers = {int.from_bytes(key, "big"): data for key, _, _, data, _ in rows}
    checks = {
        f"integrity_check says {health}": health != "ok",
        f"{spent} spent, {len(rows)} rows": spent != len(rows),
        f"{len(rows)} rows, a cap of {cap}": len(rows) > cap,
        f"{len(seen)} queries reached the target, a cap of {cap}": len(seen) > cap,
        f"{len(seen - charged)} queries reached the target and were never charged": bool(seen - charged),
        f"{len(charged - seen)} queries were charged and never reached the target": bool(charged - seen),
        f"{sum(len(keys) > 1 for keys in sent.values())} items were bought twice": any(len(keys) > 1 for keys in sent.values()),
        "an item has two rows": len(answers) != len(rows),
        "a row has no answer": any(state != "answered" or data is None for _, _, state, data, _ in rows),
        "an answer is wrong": any(data != code(item).tobytes() for item, data in answers.items()),
    }
    return Audit(tuple(finding for finding, wrong in checks.items() if wrong), kills, spent, len(lines) - len(seen))


def test_a_killed_process_loses_no_charge_and_buys_nothing_twice(tmp_path: Path) -> None:
    found = killed_again_and_again("ledger", tmp_path, seed=0)
    assert found.findings == ()
    assert found.kills == KILLS
    assert found.spent == CAP - CAP % (BATCH - 1)  # a batch that did not fit was refused whole
    assert found.sent_again > 0, "no kill fell between the charge and the answer: this run has shown nothing"


def test_the_audit_can_tell_a_counter_that_counts_after_the_answer(tmp_path: Path) -> None:
    found = killed_again_and_again("naive", tmp_path, seed=0)
    assert any("were never charged" in finding for finding in found.findings), found
    assert any("were bought twice" in finding for finding in found.findings), found


def test_four_processes_share_one_budget(tmp_path: Path) -> None:
    with process("serve", tmp_path / "service.log") as service:
        assert service.stdout is not None
        port = int(service.stdout.readline())
        with ExitStack() as stack:
            clients = [stack.enter_context(process("ledger", tmp_path, port, 120)) for _ in range(4)]
            assert [client.wait(timeout=60) for client in clients] == [0] * 4
    assert audit(tmp_path, kills=0).findings == ()
