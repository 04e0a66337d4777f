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

import pytest
from crash_processes import BATCH, code

CAP, KILLS = 1000, 20
WRITERS = 4
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


def four_killed_again_and_again(role: str, folder: Path, seed: int, kills: int, cap: int) -> Audit:
    """The same with four writers on one budget: all are killed, each at a moment of its own, and all are started again."""
    rng = random.Random(seed)
    log = folder / "service.log"

    def writers(stack: ExitStack) -> list[subprocess.Popen[str]]:
        return [stack.enter_context(process(role, folder, port, cap, share, WRITERS)) for share in range(WRITERS)]

    with process("serve", log) as service:
        assert service.stdout is not None
        port, killed = int(service.stdout.readline()), 0
        while killed < kills:
            with ExitStack() as stack:
                clients = writers(stack)
                rng.shuffle(clients)
                for client in clients:
                    progress = log.stat().st_size + rng.randrange(0, 900)  # some batches of whichever writer is up
                    while any(each.poll() is None for each in clients) and log.stat().st_size < progress:
                        time.sleep(0.0002)
                    time.sleep(rng.random() * 0.012)
                    if client.poll() is None:
                        client.send_signal(signal.SIGKILL)
                        killed += 1
                if all(client.wait() == 0 for client in clients):
                    break  # the budget is spent: there is nobody left to kill
        with ExitStack() as stack:
            assert [client.wait(timeout=120) for client in writers(stack)] == [0] * WRITERS
    return audit(folder, killed)


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


@pytest.mark.parametrize(("kills", "cap"), [(20, 1500), pytest.param(100, 6000, marks=pytest.mark.slow)])
def test_four_writers_on_one_budget_may_be_killed_at_any_moment(kills: int, cap: int, tmp_path: Path) -> None:
    found = four_killed_again_and_again("ledger", tmp_path, seed=1, kills=kills, cap=cap)
    assert found.findings == ()
    assert found.kills >= kills
    assert cap - BATCH < found.spent <= cap, "each writer went on until a batch of its own did not fit"
    assert found.sent_again > 0, "no kill fell between the charge and the answer: this run has shown nothing"


def test_the_audit_can_tell_four_writers_that_count_after_the_answer(tmp_path: Path) -> None:
    found = four_killed_again_and_again("naive", tmp_path, seed=1, kills=20, cap=1500)
    assert any("were never charged" in finding for finding in found.findings), found


def test_four_processes_share_one_budget(tmp_path: Path) -> None:
    with process("serve", tmp_path / "service.log") as service:
        assert service.stdout is not None
        port = int(service.stdout.readline())
        with ExitStack() as stack:
            clients = [stack.enter_context(process("ledger", tmp_path, port, 120)) for _ in range(4)]
            assert [client.wait(timeout=60) for client in clients] == [0] * 4
    assert audit(tmp_path, kills=0).findings == ()
