"""The processes of the crash test: a service with a durable count of its own, and clients that are killed while they ask.

python crash_processes.py serve LOG                   answers on 127.0.0.1, prints its port
python crash_processes.py ledger FOLDER PORT CAP [SHARE OF]    asks through the ledger until it is refused
python crash_processes.py naive FOLDER PORT CAP [SHARE OF]     the control: counts after the answer came

Writer SHARE (from 0) of OF writers has every OF-th batch; the repeat in each is an item of its neighbour's.
"""

import json
import os
import secrets
import socket
import socketserver
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

TARGET = "crash"
BATCH = 7
BITS = 16


def code(item: int) -> np.ndarray:
    return np.array([1 if item * 2654435761 >> bit & 1 else -1 for bit in range(BITS)], np.int8)


def serve(log: Path) -> None:
    """Write down whom it answers, then answer: what is in the log has reached the target."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):  # a killed client hears no answer
                for line in self.rfile:
                    sent = json.loads(line)
                    os.write(handle, "".join(f"{again} {item}\n" for again, item in sent).encode())
                    os.fsync(handle)
                    time.sleep(0.003)  # the way back, on which most clients of this test die
                    self.wfile.write(json.dumps([code(item).tolist() for _, item in sent]).encode() + b"\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        server.daemon_threads = True
        print(server.server_address[1], flush=True)
        server.serve_forever()


class Client:
    """A connection to the service."""

    def __init__(self, port: int) -> None:
        self.stream = socket.create_connection(("127.0.0.1", port)).makefile("rw")

    def ask(self, sent: list[tuple[str, int]]) -> list[np.ndarray]:
        self.stream.write(json.dumps(sent) + "\n")
        self.stream.flush()
        return [np.array(answer, np.int8) for answer in json.loads(self.stream.readline())]


def batches(share: int, of: int) -> Any:
    """Always the same items in the same batches, one repeat in each."""
    for start in range(share * (BATCH - 1), 10**9, of * (BATCH - 1)):
        yield [*range(start, start + BATCH - 1), max(0, start - 3)]


def ask_through_the_ledger(folder: Path, client: Client, cap: int, share: int, of: int) -> None:
    from crossattack.errors import BudgetRefused
    from crossattack.ledger import Ledger

    with Ledger.open(folder / "ledger.sqlite", target_digest=TARGET) as ledger:
        ledger.open_account("attacker", reveals="codes", cap=cap)
        for items in batches(share, of):
            try:
                charges = ledger.charge("attacker", phase="mining", modality="images", keys=[item.to_bytes(16, "big") for item in items])
            except BudgetRefused:
                return
            waiting = {charge.id: (charge, item) for charge, item in zip(charges, items, strict=True) if not charge.answered}
            if waiting:
                answers = client.ask([(charge.idempotency_key, item) for charge, item in waiting.values()])
                ledger.store(dict(zip(waiting, answers, strict=True)))


def ask_and_count_afterwards(folder: Path, client: Client, cap: int, share: int, of: int) -> None:
    """What everybody writes first; the tables are named as the ledger's, so that one audit reads both."""
    db = sqlite3.connect(folder / "ledger.sqlite", timeout=30)
    db.executescript("""CREATE TABLE IF NOT EXISTS account(cap INTEGER, spent INTEGER);
        CREATE TABLE IF NOT EXISTS charge(id INTEGER PRIMARY KEY, key BLOB UNIQUE, idempotency_key TEXT, state TEXT, attempts INTEGER);
        CREATE TABLE IF NOT EXISTS answer(charge INTEGER, data BLOB)""")
    if not db.execute("SELECT count(*) FROM account").fetchone()[0]:
        db.execute("INSERT INTO account VALUES (?, 0)", (cap,))
        db.commit()
    for items in batches(share, of):
        known = {int.from_bytes(key, "big") for (key,) in db.execute("SELECT key FROM charge")}
        waiting = [(secrets.token_hex(16), item) for item in dict.fromkeys(items) if item not in known]
        if len(known) + len(waiting) > cap:
            return
        if waiting:
            for (again, item), answer in zip(waiting, client.ask(waiting), strict=True):
                row = db.execute("INSERT OR IGNORE INTO charge VALUES (NULL, ?, ?, 'answered', 1)", (item.to_bytes(16, "big"), again))
                db.execute("INSERT INTO answer VALUES (?, ?)", (row.lastrowid, answer.tobytes()))
                db.execute("UPDATE account SET spent = spent + 1")
            db.commit()


if __name__ == "__main__":
    role, where, *rest = sys.argv[1:]
    if role == "serve":
        serve(Path(where))
    else:
        port, cap, *place = map(int, rest)
        share, of = place or (0, 1)
        run = ask_through_the_ledger if role == "ledger" else ask_and_count_afterwards
        run(Path(where), Client(port), cap, share, of)
