"""A lease: which driver works on a cell, and whether it still can.

A driver of this machine is alive if its process is: the same number since the same moment, after the same start of the
machine. Of another machine nothing is known but its last heartbeat, so its leases count until they expire.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LASTS: Final = 60.0  # seconds after a heartbeat
BEAT: Final = 5.0  # seconds between heartbeats, at most


@dataclass(frozen=True)
class Owner:
    """A process, told from all others that ever had its number. boot, began: empty where the system does not say."""

    host: str
    boot: str
    pid: int
    began: str

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.pid}/{self.began}"

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """What `str` made."""
        host, boot, pid, began = text.rsplit("/", 3)
        return cls(host, boot, int(pid), began)


def this_process() -> Owner:
    """The one that asks."""
    return Owner(platform.node(), _boot(), os.getpid(), _began(os.getpid()) or "")


def is_alive(owner: Owner, expires: float, now: float) -> bool:
    """Whether a driver may still be at work. expires, now: seconds since the epoch."""
    if owner.host != platform.node():
        return now < expires
    return owner.boot == _boot() and _began(owner.pid) == owner.began


def _boot() -> str:
    """Another text after each start of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _began(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; empty where nobody says, None where there is no such process."""
    try:
        if not Path("/proc/self/stat").exists():
            os.kill(pid, 0)
            return ""
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # its name may hold anything
    except PermissionError:
        return ""
    except (ProcessLookupError, FileNotFoundError):
        return None
    return None if state == "Z" else fields[18]
