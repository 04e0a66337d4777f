"""SQLite files that keep counts: on which disks they may lie, and how they are written so that what is committed stays.

Ledgers and services share these rules; what an error means to its reader, each says in its own words.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

WAL_IS_SOUND: Final = sqlite3.sqlite_version_info >= (3, 51, 3)  # older ones can corrupt a WAL that two processes checkpoint at once
NETWORKS: Final = re.compile(r"nfs|cifs|smb|lustre|ceph|gpfs|afs|beegfs|panfs|orangefs|gluster|sshfs|davfs|s3fs|gcsfuse")
Found = TypeVar("Found")


def prepared(connection: sqlite3.Connection, prepare: Callable[[], Found]) -> Found:
    """What `prepare` finds in the file or lays out there, in one transaction; from then on each commit outlives a loss of power.

    Where `prepare` raises, the file keeps every byte it had, and is let go of.
    """
    try:
        with transaction(connection):
            found = prepare()
        # Only now, for it can be a write: nothing may be changed in a file that is refused.
        connection.execute(f"PRAGMA journal_mode = {'WAL' if WAL_IS_SOUND else 'PERSIST'}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return found


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and alone: a plain BEGIN that reads before it writes fails under two writers, whatever the timeout."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def network_of(path: Path) -> str | None:
    """The kind of network file system that a file would lie on, where locks cannot be trusted; None for a disk of this machine."""
    return network_file_system(path.parent.resolve(), mounts())


def network_file_system(folder: Path, mountinfo: str) -> str | None:
    """The kind of network file system that `folder` lies on, by the kernel's list of mounts; None for a disk."""
    kinds: dict[str, str] = {}
    for line in mountinfo.splitlines():
        place, _, rest = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), place.split()[4])
        kinds[point] = rest.split()[0]  # a later mount hides an earlier one
    kind = next((kinds[str(up)] for up in (folder, *folder.parents) if str(up) in kinds), "")
    return kind if NETWORKS.search(kind) else None


def mounts() -> str:
    """The kernel's list of mounts; empty where there is none to be had."""
    listing = Path("/proc/self/mountinfo")
    return listing.read_text() if listing.exists() else ""
