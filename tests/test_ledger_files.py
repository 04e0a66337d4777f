"""Ledger files that are refused, and unharmed: another target's, a newer one, a torn one, one on a network."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ledgers import TARGET, buy, opened

from crossattack._ledger_file import roll_back
from crossattack._sqlite import network_file_system
from crossattack.errors import LedgerError
from crossattack.ledger import Ledger


def refused(path: Path, match: str, target_digest: str = TARGET) -> None:
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=match) as refusal:
        Ledger.open(path, target_digest=target_digest)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(path.name) and file.stat().st_size] == [path.name]


def settled(folder: Path, *changes: str) -> Path:
    """A ledger with two charges, changed behind its back."""
    with opened(folder) as ledger:
        buy(ledger, 1, 2)
    connection = sqlite3.connect(ledger.path)
    for change in changes:
        connection.execute(change)
    connection.commit()
    connection.close()
    for journal in folder.glob("*-journal"):
        journal.unlink()
    return ledger.path


def test_a_ledger_of_another_target_is_refused(tmp_path: Path) -> None:
    refused(settled(tmp_path), f"is the ledger of target {TARGET}, one of target fedcba is wanted", "fedcba")


def test_a_ledger_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    refused(settled(tmp_path, "PRAGMA user_version = 99"), "has schema 99, this crossattack knows schema 1")


def test_a_count_that_differs_from_its_rows_is_refused(tmp_path: Path) -> None:
    refused(settled(tmp_path, "UPDATE account SET spent = 1"), "'attacker' says 1 spent, its rows say 2")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text(json.dumps({"not": "a ledger"}) * 1000)
    refused(path, "is no ledger, or a damaged one")


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks(url)")
    connection.close()
    refused(path, "is an SQLite file of something else")


def test_a_torn_ledger_is_refused(tmp_path: Path) -> None:
    path = settled(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])
    refused(path, "is no ledger, or a damaged one|is damaged")


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger.open(tmp_path / "nowhere" / "ledger.sqlite", target_digest=TARGET)


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").touch()
    with opened(tmp_path) as ledger:
        assert ledger.remaining("attacker") == 10


def test_a_full_disk_says_so_and_what_was_committed_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path, cap=10_000) as ledger:
        buy(ledger, 1)
        before = ledger.digest()
        (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
        ledger._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match=r"cannot be written .*full.*; all that was committed is kept"):
            buy(ledger, *range(2, 2000))
        assert ledger.digest() == before
        assert ledger.bill("attacker").spent == 1
    with opened(tmp_path, cap=10_000) as ledger:
        assert ledger.digest() == before


MOUNTS = r"""
22 1 0:20 / / rw,relatime - ext4 /dev/vda rw
30 22 0:41 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2
31 30 0:42 / /home/my\040disk rw - xfs /dev/vdb rw
32 22 0:43 / /scratch rw - lustre mgs@tcp:/scratch rw
33 22 0:44 / /mnt/s rw - fuse.sshfs me@there: rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/runs", None),
        ("/home/me/runs", "nfs4"),
        ("/home/my disk/runs", None),
        ("/scratch", "lustre"),
        ("/mnt/s/a", "fuse.sshfs"),
        ("/homes", None),
    ],
)
def test_a_network_file_system_is_recognised_by_its_mount(folder: str, kind: str | None) -> None:
    assert network_file_system(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossattack._sqlite.mounts", lambda: "30 1 0:41 / / rw - nfs4 server:/ rw")
    with pytest.raises(LedgerError, match=r"a network file system \(nfs4\) got"):
        Ledger.open(tmp_path / "ledger.sqlite", target_digest=TARGET)
    assert list(tmp_path.iterdir()) == []


HALF_DONE = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = PERSIST")
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE charge SET attempts = attempts + 1")
db.execute("UPDATE account SET spent = 0")
os._exit(0)
"""


def test_a_ledger_that_was_left_half_written_can_be_looked_at_once_that_is_undone(tmp_path: Path) -> None:
    with opened(tmp_path, cap=1000) as ledger:
        buy(ledger, *range(500))
        if ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            return  # nothing is written half
    subprocess.run([sys.executable, "-c", HALF_DONE, str(tmp_path / "ledger.sqlite")], check=True)
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger.read(tmp_path / "ledger.sqlite")
    roll_back(tmp_path / "ledger.sqlite")
    with Ledger.read(tmp_path / "ledger.sqlite") as ledger:
        assert (ledger.bill("attacker").spent, ledger.findings()) == (500, [])
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ledger._db.execute("UPDATE account SET spent = 0")
