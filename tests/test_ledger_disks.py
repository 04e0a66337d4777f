"""The ledger on disks that fail it: full ones, closed ones. One line of error each, and a ledger that is unharmed."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ledgers import TARGET, buy, opened

from crossattack.errors import LedgerError
from crossattack.ledger import Ledger

NOBODY = 65534


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system in memory; the test is left out where nobody may mount one."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("allowed: no mount command on this machine")
    if made.returncode:
        pytest.skip("allowed: mounting a file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def one_line(refusal: pytest.ExceptionInfo[LedgerError]) -> str:
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_disk_that_is_full_costs_nothing_and_keeps_what_was_bought(tmp_path: Path) -> None:
    def buy_on(ledger: Ledger) -> None:
        for first in range(2, 10**6, 100):
            buy(ledger, *range(first, first + 100))
            kept.append((ledger.digest(), ledger.bill("attacker").spent))

    kept: list[tuple[str, int]] = []
    with mounted(tmp_path, "size=256k"):
        with opened(tmp_path, cap=10**6) as ledger:
            bought = buy(ledger, 1)
            with pytest.raises(LedgerError, match=r"cannot be written \(.*full\); all that was committed is kept") as refusal:
                buy_on(ledger)
        one_line(refusal)
        with Ledger.read(tmp_path / "ledger.sqlite") as ledger:
            assert ledger.findings() == []
            assert ledger.answers(bought)[0].shape == (8,)
            spent = ledger.bill("attacker").spent
            assert (ledger.digest(), spent) == kept[-1] or spent == kept[-1][1] + 100  # charged, and no room for the answers


LIMITED = """
import resource, sys
from pathlib import Path
from ledgers import buy, opened
from crossattack.errors import LedgerError
with opened(Path(sys.argv[1]), cap=10**6) as ledger:
    buy(ledger, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    try:
        for first in range(2, 10**6, 100):
            buy(ledger, *range(first, first + 100))
    except LedgerError as error:
        print(ledger.bill("attacker").spent, error)
"""


def test_a_file_that_may_not_grow_is_a_full_disk_too(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], cwd=Path(__file__).parent, capture_output=True, text=True)
    spent, _, says = ended.stdout.partition(" ")
    assert ended.returncode == 0, ended.stderr
    assert says.startswith("the ledger ")
    assert says.count("\n") == 1
    with opened(tmp_path, cap=10**6) as ledger:
        assert ledger.findings() == []
        assert ledger.bill("attacker").spent == int(spent) > 1
        buy(ledger, *range(int(spent) + 1, int(spent) + 300))  # with room again, it goes on


@contextmanager
def nobody() -> Iterator[None]:
    """Another user's rights, as root's know no modes; a plain user keeps its own."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_made(open_to_all: Path) -> None:
    open_to_all.chmod(0o555)
    with nobody(), pytest.raises(LedgerError, match=r"cannot be (opened|written)") as refusal:
        Ledger.open(open_to_all / "ledger.sqlite", target_digest=TARGET)
    assert "permissions" in one_line(refusal)
    assert list(open_to_all.iterdir()) == []


def test_a_ledger_that_may_not_be_written_is_refused_and_can_still_be_read(open_to_all: Path) -> None:
    with opened(open_to_all) as ledger:
        buy(ledger, 1, 2)
    path, files = ledger.path, sorted(open_to_all.iterdir())
    before = path.read_bytes()
    for file in files:
        file.chmod(0o444)
    open_to_all.chmod(0o555)
    with nobody():
        with pytest.raises(LedgerError, match=r"cannot be written .*check the disk's space and the folder's permissions") as refusal:
            Ledger.open(path, target_digest=TARGET)
        one_line(refusal)
        with Ledger.read(path) as ledger:
            assert (ledger.bill("attacker").spent, ledger.findings()) == (2, [])
    assert path.read_bytes() == before
    assert sorted(open_to_all.iterdir()) == files


def test_a_file_system_that_may_not_be_written_is_refused_even_to_root(tmp_path: Path) -> None:
    with mounted(tmp_path, "size=4m"):
        with opened(tmp_path) as ledger:
            buy(ledger, 1)
        before = ledger.path.read_bytes()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(LedgerError, match="cannot be written") as refusal:
            Ledger.open(ledger.path, target_digest=TARGET)
        one_line(refusal)
        with pytest.raises(LedgerError, match=r"cannot be (opened|written)"):
            Ledger.open(tmp_path / "another.sqlite", target_digest=TARGET)
        assert ledger.path.read_bytes() == before
        with Ledger.read(ledger.path) as reading:
            assert reading.bill("attacker").spent == 1


def test_a_ledger_of_another_target_or_a_newer_schema_can_be_read_or_says_why(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        buy(ledger, 1)
    with Ledger.read(ledger.path) as reading:
        assert reading.target_digest == TARGET
    ledger = Ledger.open(ledger.path, target_digest=TARGET)
    ledger._db.execute("PRAGMA user_version = 99")
    ledger.close()
    with pytest.raises(LedgerError, match="has schema 99, this crossattack knows schema 1") as refusal:
        Ledger.read(ledger.path)
    one_line(refusal)
